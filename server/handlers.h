// What answers on the S3 port.
#pragma once

#include "api/service.h"
#include "server/session.h"

namespace server {

// GET /.granary/health/live and /ready, without a signature: 200, or 503 while the process stops.
// nullopt for any other request.
std::optional<api::Response> health_answer(const api::Request& request, bool ready);

// The S3 port: health, then the service. While the process stops, new requests get 503.
class S3Handler final : public Handler {
 public:
  explicit S3Handler(api::Service& service) : service_(service) {}
  Task<api::Response> handle(const api::Request& request, api::HttpBody& body) override;
  void stop() { stopping_.store(true, std::memory_order_relaxed); }

 private:
  api::Service& service_;
  std::atomic<bool> stopping_{false};
};

}  // namespace server
