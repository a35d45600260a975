#include "storage/io/ring.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/io/thread_pool.h"

namespace storage::io {
namespace asio = boost::asio;

namespace {

// One buffer of a registration holds at most this much (a limit of the kernel).
constexpr std::size_t kRegisteredPieceBytes = std::size_t{1} << 30;
constexpr std::size_t kRegisteredPiecesMax = 1024;
constexpr std::uint64_t kCancelTag = ~std::uint64_t{0};

// Completions are delivered when the thread enters the kernel anyway, without an interrupt, and the kernel
// may leave out locks. Older kernels know neither flag.
constexpr unsigned kPreferredFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN;

int make_ring(unsigned entries, io_uring& ring, unsigned& flags) {
  flags = kPreferredFlags;
  int result = io_uring_queue_init(entries, &ring, flags);
  if (result == -EINVAL) {
    flags = 0;
    result = io_uring_queue_init(entries, &ring, flags);
  }
  return -result;
}

bool same_arenas(const std::weak_ptr<const Arenas>& a, const std::shared_ptr<const Arenas>& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

struct Request {
  OpenFile* file;
  Operation operation;
  Completion completion;
};

}  // namespace

struct Ring::State {
  explicit State(asio::io_context& io_context) : context(io_context), descriptor(io_context) {}
  ~State() { close(); }

  void enqueue(Request request);
  void flush();
  bool open();
  void close();
  void register_arenas(const std::shared_ptr<const Arenas>& wanted);
  int buffer_index(const OpenFile& file, std::span<const std::byte> memory) const;
  bool prepare(Request& request);
  void submit();
  void arm();
  void reap();
  void drain() noexcept;
  void post_flush();

  asio::io_context& context;
  asio::posix::basic_stream_descriptor<Executor> descriptor;  // the eventfd that completions signal
  io_uring ring{};
  std::thread::id owner;
  bool opened = false;
  bool refused = false;  // the kernel gave no ring: every operation goes to the thread pool
  bool flush_posted = false;
  bool armed = false;
  unsigned in_flight = 0;
  std::deque<Request> waiting;
  std::vector<Request> slots;  // kInFlightMax; user_data is the index
  std::vector<unsigned> free_slots;
  // Weak: arenas are named by open drives, and memory mapped at the same place later is other memory.
  std::weak_ptr<const Arenas> known_arenas;
  bool registered = false;
};

void Ring::State::post_flush() {
  if (flush_posted) return;
  flush_posted = true;
  asio::post(context.get_executor(), [this] {
    flush_posted = false;
    flush();
  });
}

void Ring::State::enqueue(Request request) {
  if (waiting.size() + in_flight >= kOperationsMax) {
    asio::post(context.get_executor(),
               [completion = std::move(request.completion)] { completion(Errc::overloaded); });
    return;
  }
  waiting.push_back(std::move(request));
  post_flush();
}

bool Ring::State::open() {
  if (opened) {
    // The kernel lets one thread submit, for good: a context stays with the thread that ran its first operation.
    CHECK(owner == std::this_thread::get_id());
    return true;
  }
  if (refused) return false;
  unsigned flags = 0;
  int error = make_ring(kInFlightMax, ring, flags);
  if (error == 0) {
    const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    error = event < 0 ? errno : -io_uring_register_eventfd(&ring, event);
    if (error == 0) {
      descriptor.assign(event);
    } else {
      if (event >= 0) ::close(event);
      io_uring_queue_exit(&ring);
    }
  }
  if (error != 0) {
    refused = true;
    log_warn("io_uring_refused", {{"error", std::strerror(error)}, {"instead", "thread_pool"}});
    return false;
  }
  opened = true;
  owner = std::this_thread::get_id();
  for (unsigned slot = kInFlightMax; slot-- > 0;) free_slots.push_back(slot);
  slots.resize(kInFlightMax);
  return true;
}

void Ring::State::close() {
  if (!opened) return;
  opened = false;
  boost::system::error_code ignored;
  descriptor.close(ignored);
  io_uring_queue_exit(&ring);
}

void Ring::State::register_arenas(const std::shared_ptr<const Arenas>& wanted) {
  if (wanted == nullptr || same_arenas(known_arenas, wanted)) return;
  // The first drives' arenas serve as long as one of these drives is open; others go unregistered.
  if (!known_arenas.expired()) return;
  if (registered) {
    if (in_flight > 0) return;
    io_uring_unregister_buffers(&ring);
    registered = false;
  }
  known_arenas = wanted;
  std::vector<iovec> pieces;
  for (const std::span<std::byte> arena : *wanted) {
    for (std::size_t at = 0; at < arena.size(); at += kRegisteredPieceBytes) {
      pieces.push_back({arena.data() + at, std::min(kRegisteredPieceBytes, arena.size() - at)});
    }
  }
  const int result =
      pieces.size() > kRegisteredPiecesMax
          ? -EINVAL
          : io_uring_register_buffers(&ring, pieces.data(), static_cast<unsigned>(pieces.size()));
  registered = result == 0;
  static std::atomic<bool> told{false};
  if (!registered && !told.exchange(true)) {
    // RLIMIT_MEMLOCK, as a rule. Operations then pin their pages one by one.
    log_warn("io_buffers_not_registered", {{"error", std::strerror(-result)}, {"pieces", pieces.size()}});
  }
}

// The registered piece that holds all of `memory`, or -1.
int Ring::State::buffer_index(const OpenFile& file, std::span<const std::byte> memory) const {
  if (!registered || !same_arenas(known_arenas, file.arenas)) return -1;
  std::size_t first = 0;
  for (const std::span<std::byte> arena : *file.arenas) {
    if (memory.data() >= arena.data() && memory.data() + memory.size() <= arena.data() + arena.size()) {
      const std::size_t begin = static_cast<std::size_t>(memory.data() - arena.data());
      const std::size_t piece = begin / kRegisteredPieceBytes;
      if ((begin + memory.size() - 1) / kRegisteredPieceBytes != piece) return -1;
      return static_cast<int>(first + piece);
    }
    first += (arena.size() + kRegisteredPieceBytes - 1) / kRegisteredPieceBytes;
  }
  return -1;
}

// Writes the submission entry of `request`; false when the submission queue is full.
bool Ring::State::prepare(Request& request) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  if (entry == nullptr) return false;
  const unsigned slot = free_slots.back();
  free_slots.pop_back();
  const int descriptor_of_file = request.file->descriptor;
  const std::span<std::byte> memory = request.operation.memory;
  const auto size = static_cast<unsigned>(memory.size());
  const int buffer = buffer_index(*request.file, memory);
  if (request.operation.kind == Operation::Kind::read) {
    if (buffer >= 0) {
      io_uring_prep_read_fixed(entry, descriptor_of_file, memory.data(), size, request.operation.offset,
                               buffer);
    } else {
      io_uring_prep_read(entry, descriptor_of_file, memory.data(), size, request.operation.offset);
    }
  } else {
    if (buffer >= 0) {
      io_uring_prep_write_fixed(entry, descriptor_of_file, memory.data(), size, request.operation.offset,
                                buffer);
    } else {
      io_uring_prep_write(entry, descriptor_of_file, memory.data(), size, request.operation.offset);
    }
    entry->rw_flags = RWF_DSYNC;
  }
  io_uring_sqe_set_data64(entry, slot);
  slots[slot] = std::move(request);
  ++in_flight;
  return true;
}

void Ring::State::submit() {
  while (io_uring_sq_ready(&ring) > 0) {
    const int result = io_uring_submit(&ring);
    if (result > 0 || result == -EINTR) continue;
    // The kernel is short of memory or its completion queue is full: entries stay queued and go down after
    // the next completion, or in the next turn if there will be none.
    CHECK(result == 0 || result == -EAGAIN || result == -EBUSY || result == -ENOMEM);
    if (io_uring_sq_ready(&ring) >= in_flight) post_flush();
    return;
  }
}

void Ring::State::flush() {
  if (waiting.empty() && (!opened || io_uring_sq_ready(&ring) == 0)) return;
  if (!open()) {
    while (!waiting.empty()) {
      Request request = std::move(waiting.front());
      waiting.pop_front();
      thread_pool::submit(*request.file, context.get_executor(), request.operation,
                          std::move(request.completion));
    }
    return;
  }
  if (!waiting.empty()) register_arenas(waiting.front().file->arenas);
  while (!waiting.empty() && !free_slots.empty() && prepare(waiting.front())) waiting.pop_front();
  submit();
  if (in_flight > 0) arm();
}

void Ring::State::arm() {
  // Waiting only while operations are in flight lets run() of the context end when nothing is left to do.
  if (armed) return;
  armed = true;
  descriptor.async_wait(asio::posix::descriptor_base::wait_read, [this](boost::system::error_code error) {
    armed = false;
    if (error) return;  // the context is being destroyed
    std::uint64_t signals;
    [[maybe_unused]] const ssize_t ignored = ::read(descriptor.native_handle(), &signals, sizeof signals);
    reap();
    flush();
    if (in_flight > 0) arm();
  });
}

// Calls the handlers of what has completed.
void Ring::State::reap() {
  std::array<io_uring_cqe*, 64> batch;
  for (unsigned turn = 0; turn < kInFlightMax / batch.size(); ++turn) {
    const unsigned count = io_uring_peek_batch_cqe(&ring, batch.data(), batch.size());
    if (count == 0) return;
    std::array<std::pair<Completion, Error>, batch.size()> done;
    for (unsigned i = 0; i < count; ++i) {
      const auto slot = static_cast<unsigned>(io_uring_cqe_get_data64(batch[i]));
      CHECK(slot < slots.size());
      Request& request = slots[slot];
      done[i] = {std::move(request.completion), request.file->finish(request.operation, batch[i]->res)};
      request.completion = nullptr;
      free_slots.push_back(slot);
      --in_flight;
    }
    io_uring_cq_advance(&ring, count);
    for (unsigned i = 0; i < count; ++i) done[i].first(done[i].second);
  }
}

// Waits until the kernel has let go of every operation. Their handlers are dropped.
void Ring::State::drain() noexcept {
  waiting.clear();
  if (!opened) return;
  in_flight -= std::min(in_flight, io_uring_sq_ready(&ring));  // never submitted
  if (in_flight > 0 && owner == std::this_thread::get_id() && io_uring_sq_ready(&ring) == 0) {
    // Shortens the wait where the kernel still queues; transfers that the device has run to their end.
    if (io_uring_sqe* entry = io_uring_get_sqe(&ring)) {
      io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
      io_uring_sqe_set_data64(entry, kCancelTag);
      io_uring_submit(&ring);
    }
  }
  while (in_flight > 0) {
    io_uring_cqe* entry = nullptr;
    const int result = io_uring_wait_cqe(&ring, &entry);
    if (result == -EINTR || result == -EAGAIN) continue;
    CHECK(result == 0);  // going on would free memory that the device may still write to
    if (io_uring_cqe_get_data64(entry) != kCancelTag) --in_flight;
    io_uring_cqe_seen(&ring, entry);
  }
  slots.clear();
  close();
}

asio::execution_context::id Ring::id;

Ring::Ring(asio::io_context& context)
    : asio::execution_context::service(context), state_(std::make_unique<State>(context)) {}

Ring::~Ring() = default;

void Ring::start(OpenFile& file, const Operation& operation, Completion completion) {
  state_->enqueue({&file, operation, std::move(completion)});
}

void Ring::shutdown() noexcept { state_->drain(); }

int probe_ring(std::string& features) {
  io_uring ring{};
  unsigned flags = 0;
  int error = make_ring(4, ring, flags);
  if (error != 0) return error;
  features = flags == 0 ? "without single_issuer, coop_taskrun" : "single_issuer, coop_taskrun";
  // A filter may let the setup pass and refuse what follows.
  if (io_uring_probe* probe = io_uring_get_probe_ring(&ring)) {
    for (int opcode : {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED}) {
      if (io_uring_opcode_supported(probe, opcode) == 0) error = EOPNOTSUPP;
    }
    io_uring_free_probe(probe);
  } else {
    error = EOPNOTSUPP;
  }
  if (error == 0) {
    io_uring_prep_nop(io_uring_get_sqe(&ring));
    const int result = io_uring_submit_and_wait(&ring, 1);
    if (result < 0) error = -result;
  }
  io_uring_queue_exit(&ring);
  return error;
}

}  // namespace storage::io
