#include "server/handlers.h"

#include "server/error_response.h"

namespace server {
namespace {

api::Response text_response(unsigned status, std::string_view type, std::string text) {
  api::Response response;
  response.status = status;
  response.add_header("Content-Type", type);
  response.content_length = text.size();
  response.text = std::move(text);
  return response;
}

}  // namespace

std::optional<api::Response> health_answer(const api::Request& request, bool ready) {
  constexpr std::string_view kPrefix = "/.granary/health/";
  if (!request.target.starts_with(kPrefix)) return std::nullopt;
  const std::string_view what = request.target.substr(kPrefix.size());
  const bool live = what == "live";
  if (!live && what != "ready") return std::nullopt;
  if (request.method != "GET" && request.method != "HEAD") {
    api::Response refused = text_response(405, "text/plain", "method not allowed\n");
    refused.add_header("Allow", "GET, HEAD");
    return refused;
  }
  const bool well = live || ready;
  api::Response response = text_response(well ? 200 : 503, "text/plain", well ? "ok\n" : "stopping\n");
  response.head_only = request.method == "HEAD";
  response.operation = "Health";
  return response;
}

Task<api::Response> S3Handler::handle(const api::Request& request, api::HttpBody& body) {
  const bool stopping = stopping_.load(std::memory_order_relaxed);
  if (auto health = health_answer(request, !stopping)) co_return std::move(*health);
  if (stopping) {
    api::Response response = error_response(503, "ServiceUnavailable", "The server is stopping.", request.request_id);
    response.add_header("Retry-After", "5");
    response.head_only = request.method == "HEAD";
    response.close = true;
    co_return response;
  }
  co_return co_await service_.handle(request, body);
}

}  // namespace server
