// WebhookSink: posts each event as JSON to an address, over a connection that is kept.
//
// Taken     by any answer 2xx. Anything else, and no answer in ten seconds, is a failure.
// Trust     https needs a certificate for the address's host, of the system's authorities or of the one given.
// Secrets   the token goes into the Authorization header: as "Bearer TOKEN", or as it is if it has a blank ("Basic ...").
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "server/event_sink.h"

namespace server {

struct WebhookAddress {
  bool tls = false;
  std::string host;       // a name or an address, without brackets
  std::string port;       // digits
  std::string authority;  // HOST or HOST:PORT as the URL has it, for the Host header
  std::string target;     // path and query
};

// "http://HOST[:PORT][/PATH]" or https; nullopt for anything else, credentials in it too.
std::optional<WebhookAddress> parse_webhook_url(const std::string& url);

// Throws boost::system::system_error when the authority's file cannot be read.
std::unique_ptr<EventSink> make_webhook_sink(storage::Executor executor, const api::EventTarget& target);

}  // namespace server
