// Ring: the io_uring of one io_context, found and made through the context's services. Private to this
// folder.
//
// Threads   start() and everything else on the one thread that runs the context. The kernel's ring is made
//           in the first turn of the event loop that has operations, so on that thread (SINGLE_ISSUER).
// Batching  operations started in one turn go down with one system call, from a handler posted by the first.
// Lifetime  the context's destructor waits for operations in flight and drops their handlers unrun.
// Bounds    kInFlightMax operations in the kernel, kOperationsMax with those that wait, first in first out;
//           beyond it Errc::overloaded, posted.
// Fallback  a kernel that refuses the ring at that late moment (memory, limits): the thread pool, logged
// once.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "storage/io/open_file.h"

namespace storage::io {

class Ring final : public boost::asio::execution_context::service {
 public:
  using key_type = Ring;
  static boost::asio::execution_context::id id;

  static constexpr unsigned kInFlightMax = 256;
  static constexpr std::size_t kOperationsMax = 65536;

  explicit Ring(boost::asio::io_context& context);
  ~Ring() override;

  void start(OpenFile& file, const Operation& operation, Completion completion);

 private:
  void shutdown() noexcept override;

  struct State;
  std::unique_ptr<State> state_;
};

// Makes a small ring and sends a no-op through it. Returns 0, or the errno that says why not; `features` gets
// words for the log.
int probe_ring(std::string& features);

}  // namespace storage::io
