#include "storage/io/buffer.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "storage/base/check.h"

namespace storage::io {
namespace asio = boost::asio;

namespace {

// Sizes are counted in blocks. Classes: 1..8 blocks one by one, then four a doubling up to 8 MiB.
constexpr std::size_t kClasses = 8 + 4 * 8;
constexpr std::size_t kBlocksMax = kMaxBufferBytes / kBlockBytes;

constexpr std::size_t class_blocks(std::size_t index) {
  if (index < 8) return index + 1;
  const std::size_t doubling = (index - 8) / 4;
  const std::size_t step = (index - 8) % 4;
  return (std::size_t{2} << doubling) * (5 + step);
}
static_assert(class_blocks(7) == 8 && class_blocks(8) == 10 && class_blocks(11) == 16 &&
              class_blocks(12) == 20);
static_assert(class_blocks(kClasses - 1) == kBlocksMax);

constexpr std::size_t class_of_blocks(std::size_t blocks) {
  if (blocks <= 8) return blocks - 1;
  // 2^(3+doubling) < blocks <= 2^(4+doubling)
  const std::size_t doubling = static_cast<std::size_t>(std::bit_width(blocks - 1)) - 4;
  const std::size_t unit = std::size_t{2} << doubling;
  return 8 + 4 * doubling + (blocks + unit - 1) / unit - 5;
}
static_assert(class_of_blocks(9) == 8 && class_of_blocks(16) == 11 && class_of_blocks(17) == 12);
static_assert(class_of_blocks(kBlocksMax) == kClasses - 1);

// Small classes are cut from slabs of 1 MiB, large ones from slabs of 8 MiB, so that one 4 KiB buffer that
// stays out pins 1 MiB and not 8. A slab of the small level is itself one buffer of the 1 MiB class.
constexpr std::size_t kSmallSlabBlocks = 256;
constexpr std::size_t kLargeSlabBlocks = kBlocksMax;
constexpr std::size_t kSmallClassBlocksMax = 32;
constexpr std::size_t kSmallSlabClass = class_of_blocks(kSmallSlabBlocks);

constexpr std::uint32_t kNone = ~std::uint32_t{0};

// A run of blocks that is free, or cut into buffers of one class.
struct Slab {
  std::array<std::uint64_t, 4> free{};  // bit set: that buffer is free
  std::uint32_t previous = kNone;       // neighbours in the list of slabs of this class with a free buffer
  std::uint32_t next = kNone;
  std::uint16_t free_count = 0;
  std::uint16_t total = 0;  // 0: the slab has no class
  std::uint8_t size_class = 0;
};

// The slabs of one size and, by class, those with room.
class Level {
 public:
  Level(std::size_t slab_blocks, std::size_t slabs) : slab_blocks_(slab_blocks), slabs_(slabs) {
    with_room_.fill(kNone);
  }

  std::size_t slab_blocks() const { return slab_blocks_; }
  bool has_room(std::size_t size_class) const { return with_room_[size_class] != kNone; }

  // Cuts the free slab `index` into buffers of `size_class`.
  void assign(std::uint32_t index, std::size_t size_class) {
    Slab& slab = slabs_[index];
    CHECK(slab.total == 0);
    slab.size_class = static_cast<std::uint8_t>(size_class);
    slab.total = static_cast<std::uint16_t>(slab_blocks_ / class_blocks(size_class));
    slab.free_count = slab.total;
    for (std::size_t word = 0; word < slab.free.size(); ++word) {
      const std::size_t first = word * 64;
      const std::size_t bits = slab.total > first ? slab.total - first : 0;
      slab.free[word] = bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    }
    link(index);
  }

  // Takes a buffer from a slab with room; returns its first block.
  std::size_t take(std::size_t size_class) {
    const std::uint32_t index = with_room_[size_class];
    Slab& slab = slabs_[index];
    std::size_t word = 0;
    while (slab.free[word] == 0) ++word;
    const auto bit = static_cast<std::size_t>(std::countr_zero(slab.free[word]));
    slab.free[word] &= slab.free[word] - 1;
    if (--slab.free_count == 0) unlink(index);
    return index * slab_blocks_ + (word * 64 + bit) * class_blocks(size_class);
  }

  // Puts a buffer back; returns whether its slab is free again (and has lost its class).
  bool put(std::size_t first_block, std::size_t size_class) {
    const auto index = static_cast<std::uint32_t>(first_block / slab_blocks_);
    Slab& slab = slabs_[index];
    CHECK(slab.total != 0 && slab.size_class == size_class);
    const std::size_t within = first_block % slab_blocks_;
    const std::size_t position = within / class_blocks(size_class);
    const std::uint64_t bit = std::uint64_t{1} << (position % 64);
    CHECK((slab.free[position / 64] & bit) == 0);  // given back twice
    slab.free[position / 64] |= bit;
    if (slab.free_count++ == 0) link(index);
    if (slab.free_count < slab.total) return false;
    unlink(index);
    slab.total = 0;
    return true;
  }

 private:
  void link(std::uint32_t index) {
    Slab& slab = slabs_[index];
    std::uint32_t& head = with_room_[slab.size_class];
    slab.previous = kNone;
    slab.next = head;
    if (head != kNone) slabs_[head].previous = index;
    head = index;
  }

  void unlink(std::uint32_t index) {
    Slab& slab = slabs_[index];
    if (slab.previous == kNone) {
      with_room_[slab.size_class] = slab.next;
    } else {
      slabs_[slab.previous].next = slab.next;
    }
    if (slab.next != kNone) slabs_[slab.next].previous = slab.previous;
  }

  std::size_t slab_blocks_;
  std::vector<Slab> slabs_;
  std::array<std::uint32_t, kClasses> with_room_;
};

// A task inside take(). Its timer is its deadline and, cancelled early, its wake-up.
struct Waiter {
  Waiter(Executor executor, std::size_t wanted_class) : timer(executor), size_class(wanted_class) {}
  asio::steady_timer timer;
  std::size_t size_class;
  std::byte* granted = nullptr;
};

}  // namespace

struct BufferPool::State {
  explicit State(std::size_t bytes)
      : small(kSmallSlabBlocks, bytes / (kSmallSlabBlocks * kBlockBytes)),
        large(kLargeSlabBlocks, bytes / kMaxBufferBytes),
        budget(bytes) {
    // Pages appear when they are touched; without NORESERVE a large budget fails under strict overcommit
    // only, which is the answer an operator of such a machine asked for.
    void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    base = static_cast<std::byte*>(mapped);
    ASAN_POISON_MEMORY_REGION(base, budget);
    free_slabs.reserve(bytes / kMaxBufferBytes);
    for (std::size_t index = bytes / kMaxBufferBytes; index-- > 0;) {
      free_slabs.push_back(static_cast<std::uint32_t>(index));
    }
  }

  ~State() {
    ASAN_UNPOISON_MEMORY_REGION(base, budget);
    ::munmap(base, budget);
  }

  // The members below need `mutex`.
  std::byte* allocate(std::size_t size_class) {
    const std::size_t blocks = class_blocks(size_class);
    std::size_t first;
    if (blocks <= kSmallClassBlocksMax) {
      if (!small.has_room(size_class)) {
        const std::size_t slab = take_large(kSmallSlabClass);
        if (slab == kNone) return nullptr;
        small.assign(static_cast<std::uint32_t>(slab / kSmallSlabBlocks), size_class);
      }
      first = small.take(size_class);
    } else {
      first = take_large(size_class);
      if (first == kNone) return nullptr;
    }
    used.fetch_add(blocks * kBlockBytes, std::memory_order_relaxed);
    std::byte* data = base + first * kBlockBytes;
    ASAN_UNPOISON_MEMORY_REGION(data, blocks * kBlockBytes);
    return data;
  }

  void release(std::byte* data, std::size_t bytes) {
    CHECK(data >= base && data + bytes <= base + budget);
    ASAN_POISON_MEMORY_REGION(data, bytes);
    const std::size_t blocks = bytes / kBlockBytes;
    const std::size_t size_class = class_of_blocks(blocks);
    const std::size_t first = static_cast<std::size_t>(data - base) / kBlockBytes;
    if (blocks > kSmallClassBlocksMax) {
      put_large(first, size_class);
    } else if (small.put(first, size_class)) {
      put_large(first / kSmallSlabBlocks * kSmallSlabBlocks, kSmallSlabClass);
    }
    used.fetch_sub(bytes, std::memory_order_relaxed);
  }

  // Grants to waiters in their order until one cannot be served: a small request must not overtake a large
  // one for ever.
  void serve_waiters() {
    while (!queue.empty()) {
      std::shared_ptr<Waiter> waiter = queue.front();
      std::byte* data = allocate(waiter->size_class);
      if (data == nullptr) return;
      waiter->granted = data;
      queue.pop_front();
      // Its own thread alone may touch the timer.
      asio::post(waiter->timer.get_executor(), [waiter] { waiter->timer.cancel(); });
    }
  }

  std::mutex mutex;
  Level small;
  Level large;
  std::vector<std::uint32_t> free_slabs;  // of the large level
  std::list<std::shared_ptr<Waiter>> queue;
  std::size_t budget;
  std::byte* base = nullptr;
  std::atomic<std::size_t> used{0};

 private:
  std::size_t take_large(std::size_t size_class) {
    if (!large.has_room(size_class)) {
      if (free_slabs.empty()) return kNone;
      large.assign(free_slabs.back(), size_class);
      free_slabs.pop_back();
    }
    return large.take(size_class);
  }

  void put_large(std::size_t first, std::size_t size_class) {
    if (large.put(first, size_class))
      free_slabs.push_back(static_cast<std::uint32_t>(first / kLargeSlabBlocks));
  }
};

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    reset();
    pool_ = std::exchange(other.pool_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Buffer::~Buffer() { reset(); }

void Buffer::reset() {
  if (pool_ != nullptr) pool_->give_back(data_, size_);
  pool_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

BufferPool::BufferPool(std::size_t budget_bytes)
    : state_(std::make_unique<State>(budget_bytes == 0 ? kMaxBufferBytes
                                                       : (budget_bytes + kMaxBufferBytes - 1) /
                                                             kMaxBufferBytes * kMaxBufferBytes)) {}

BufferPool::~BufferPool() { CHECK(used_bytes() == 0); }

std::size_t BufferPool::class_size(std::size_t bytes) {
  CHECK(bytes > 0 && bytes <= kMaxBufferBytes);
  return class_blocks(class_of_blocks((bytes + kBlockBytes - 1) / kBlockBytes)) * kBlockBytes;
}

Buffer BufferPool::try_take(std::size_t bytes) {
  const std::size_t size = class_size(bytes);
  std::lock_guard lock(state_->mutex);
  if (!state_->queue.empty()) return {};  // whoever waits came first
  std::byte* data = state_->allocate(class_of_blocks(size / kBlockBytes));
  return data == nullptr ? Buffer{} : Buffer(this, data, size);
}

Task<Result<Buffer>> BufferPool::take(std::size_t bytes, std::uint32_t timeout_ms) {
  const std::size_t size = class_size(bytes);
  if (Buffer ready = try_take(bytes)) co_return std::move(ready);

  const Executor executor = co_await asio::this_coro::executor;
  auto waiter = std::make_shared<Waiter>(executor, class_of_blocks(size / kBlockBytes));
  waiter->timer.expires_after(std::chrono::milliseconds(timeout_ms));

  // Leaves the queue however the coroutine ends, and returns a grant that nobody fetched.
  struct Place {
    BufferPool* pool;
    std::shared_ptr<Waiter> waiter;
    std::size_t size;
    ~Place() {
      std::lock_guard lock(pool->state_->mutex);
      if (waiter->granted != nullptr) {
        pool->state_->release(waiter->granted, size);
      } else {
        pool->state_->queue.remove(waiter);
      }
      pool->state_->serve_waiters();
    }
  };
  Place place{this, waiter, size};
  {
    std::lock_guard lock(state_->mutex);
    if (state_->queue.size() >= kWaitersMax) co_return Errc::overloaded;
    state_->queue.push_back(waiter);
    state_->serve_waiters();  // memory may have come back since try_take()
  }
  auto [error] = co_await waiter->timer.async_wait(asio::as_tuple(use_task));
  std::lock_guard lock(state_->mutex);
  if (waiter->granted != nullptr) {
    co_return Buffer(this, std::exchange(waiter->granted, nullptr), size);
  }
  co_return error ? Errc::shutting_down : Errc::overloaded;
}

std::size_t BufferPool::budget_bytes() const { return state_->budget; }

std::size_t BufferPool::used_bytes() const { return state_->used.load(std::memory_order_relaxed); }

std::size_t BufferPool::waiters() const {
  std::lock_guard lock(state_->mutex);
  return state_->queue.size();
}

std::span<std::byte> BufferPool::arena() const { return {state_->base, state_->budget}; }

void BufferPool::give_back(std::byte* data, std::size_t size) noexcept {
  std::lock_guard lock(state_->mutex);
  state_->release(data, size);
  state_->serve_waiters();
}

}  // namespace storage::io
