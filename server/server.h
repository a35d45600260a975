// Server: the process around the store. Cores with their event loops, listeners, the admin port, signals, orderly stop.
//
// Stop      SIGTERM or SIGINT: new requests get 503, what runs is answered; what stalls is cut after kStopLimit; then the
//           store closes.
//           A second signal ends the process at once, which is as safe as a crash. SIGHUP re-reads certificates.
#pragma once

#include <chrono>

#include "server/config.h"

namespace server {

inline constexpr std::chrono::seconds kStopLimit{9};
// For the last answers to leave, once nothing runs any more.
inline constexpr std::chrono::milliseconds kGoodbyeLimit{500};

// Runs until a signal ends it. Returns the exit code: 0 after an orderly stop, 1 when the start failed (with one
// sentence on standard error). Wipes the secrets in `config` once they are in use.
int serve(Config& config);

}  // namespace server
