#include "storage/io/patience.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "storage/base/check.h"

namespace storage::io {
namespace asio = boost::asio;

namespace {

using Steady = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<Steady, asio::wait_traits<Steady>, Executor>;

std::atomic<std::uint64_t> abandoned_in_all{0};

std::uint64_t ticks_of(std::uint32_t limit_ms) { return limit_ms / kTickMs + 1; }

// A list that groups link themselves into; the sweeper and every group share it, so that neither must outlive the other.
class Group;
struct Waiting {
  Group* first = nullptr;
  std::uint64_t tick = 0;
};

// Operations that were started together. Kept by the completions of those that are unfinished.
class Group {
 public:
  Group(std::span<PatientOperation> operations, Patience patience, std::shared_ptr<const void> keeps,
        std::shared_ptr<Waiting> waiting)
      : elements(operations.begin(), operations.end()),
        results_(operations),
        patience_(patience),
        keeps_(std::move(keeps)),
        waiting_(std::move(waiting)),
        started_(Steady::now()),
        started_tick_(waiting_->tick) {
    next_ = waiting_->first;
    if (next_ != nullptr) next_->previous_ = this;
    waiting_->first = this;
    linked_ = true;
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  virtual ~Group() { unlink(); }

  virtual void resume() = 0;

  Group* next() const { return next_; }
  bool overdue() const {
    const std::uint64_t now = waiting_->tick;
    if (now - started_tick_ >= ticks_of(patience_.in_all_ms)) return true;
    return any_ended_ && patience_.after_first_ms > 0 && left_ <= patience_.late_max && now - first_ended_tick_ >= ticks_of(patience_.after_first_ms);
  }

  void end(std::size_t index, Error result) {
    PatientOperation& element = elements[index];
    if (element.load && element.compared) {
      const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(Steady::now() - started_);
      element.load->answered(element.operation.kind, static_cast<std::uint64_t>(taken.count()));
    }
    if (element.late) {  // its caller went on long ago
      abandoned_in_all.fetch_sub(1);
      if (element.load) element.load->end_abandoned();
      return;
    }
    element.error = result;
    ended_[index] = true;
    if (!any_ended_) first_ended_tick_ = waiting_->tick;
    any_ended_ = true;
    if (--left_ == 0) go_on();
  }

  // What has not ended is nobody's any more.
  void give_up() {
    for (std::size_t index = 0; index < elements.size(); ++index) {
      PatientOperation& element = elements[index];
      if (element.drive == nullptr || ended_[index]) continue;
      element.late = true;
      element.error = Errc::io_error;
      abandoned_in_all.fetch_add(1);
      if (element.load) element.load->begin_abandoned();
    }
    kept_to_the_end_ = true;
    go_on();
  }

  // The caller's elements are there until it is resumed; the group may stay for the operations that it gave up.
  void go_on() {
    unlink();
    for (std::size_t index = 0; index < elements.size(); ++index) {
      results_[index].error = elements[index].error;
      results_[index].late = elements[index].late;
    }
    if (!kept_to_the_end_) keeps_.reset();  // nothing of what it keeps is in use when the caller looks
    resume();
  }

  void expect() {
    ended_.resize(elements.size(), false);
    for (const PatientOperation& element : elements) {
      if (element.drive != nullptr) ++left_;
    }
  }
  std::size_t left() const { return left_; }

  std::vector<PatientOperation> elements;

 private:
  void unlink() {
    if (!linked_) return;
    linked_ = false;
    (previous_ == nullptr ? waiting_->first : previous_->next_) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }

  const std::span<PatientOperation> results_;
  const Patience patience_;
  std::shared_ptr<const void> keeps_;
  bool kept_to_the_end_ = false;
  const std::shared_ptr<Waiting> waiting_;
  const Steady::time_point started_;
  const std::uint64_t started_tick_;
  std::uint64_t first_ended_tick_ = 0;
  bool any_ended_ = false;
  bool linked_ = false;
  std::vector<bool> ended_;
  std::size_t left_ = 0;
  Group* previous_ = nullptr;
  Group* next_ = nullptr;
};

// Counts the ticks of an io_context and judges its groups.
class Sweeper final : public asio::execution_context::service {
 public:
  using key_type = Sweeper;
  static asio::execution_context::id id;

  explicit Sweeper(asio::io_context& context) : asio::execution_context::service(context), timer_(context.get_executor()) {}

  const std::shared_ptr<Waiting>& waiting() const { return waiting_; }

  void arm() {
    if (armed_) return;
    armed_ = true;
    timer_.expires_after(std::chrono::milliseconds(kTickMs));
    timer_.async_wait([this](boost::system::error_code error) {
      armed_ = false;
      if (!error) tick();
    });
  }

 private:
  void shutdown() noexcept override {}

  void tick() {
    ++waiting_->tick;
    std::vector<Group*> overdue;  // each is kept by its unfinished operations, whose completions do not run meanwhile
    for (Group* group = waiting_->first; group != nullptr; group = group->next()) {
      if (group->overdue()) overdue.push_back(group);
    }
    for (Group* group : overdue) group->give_up();
    if (waiting_->first != nullptr) arm();
  }

  Timer timer_;
  bool armed_ = false;
  const std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
};

asio::execution_context::id Sweeper::id;

template <class Handler>
class GroupOf final : public Group {
 public:
  template <class... Arguments>
  explicit GroupOf(Handler&& handler, Arguments&&... arguments)
      : Group(std::forward<Arguments>(arguments)...), handler_(std::move(handler)) {}
  void resume() override { std::move(handler_)(); }

 private:
  Handler handler_;
};

}  // namespace

std::uint64_t abandoned_operations() { return abandoned_in_all.load(); }

void DriveLoad::begin_abandoned() { abandoned_.fetch_add(1, std::memory_order_relaxed); }
void DriveLoad::end_abandoned() { abandoned_.fetch_sub(1, std::memory_order_relaxed); }

void DriveLoad::answered(Operation::Kind kind, std::uint64_t nanoseconds) {
  Counts& counts = counts_[static_cast<std::size_t>(kind)];
  counts.count.fetch_add(1, std::memory_order_relaxed);
  counts.nanoseconds.fetch_add(nanoseconds, std::memory_order_relaxed);
}

DriveLoad::Answers DriveLoad::take_answers(Operation::Kind kind) {
  Counts& counts = counts_[static_cast<std::size_t>(kind)];
  Answers answers;
  answers.count = counts.count.exchange(0, std::memory_order_relaxed);
  answers.nanoseconds = counts.nanoseconds.exchange(0, std::memory_order_relaxed);
  return answers;
}

Task<> run_patiently(std::span<PatientOperation> operations, Patience patience, std::shared_ptr<const void> keeps) {
  CHECK(patience.in_all_ms > 0);
  const Executor executor = co_await asio::this_coro::executor;
  Sweeper& sweeper = asio::use_service<Sweeper>(executor.context());
  auto initiate = [&](auto handler) {
    // Not kept by this frame, which the handler owns: what the drives drop is then freed.
    using Of = GroupOf<decltype(handler)>;
    const std::shared_ptr<Group> group = std::make_shared<Of>(std::move(handler), operations, patience, std::move(keeps), sweeper.waiting());
    group->expect();
    sweeper.arm();
    // Completions run on this thread and never inside start(): neither the count nor the list needs a lock.
    for (std::size_t index = 0; index < group->elements.size(); ++index) {
      PatientOperation& element = group->elements[index];
      element.error = Errc::drive_lost;
      if (element.drive == nullptr) continue;
      element.drive->start(executor, element.operation, [group, index](Error result) { group->end(index, result); });
    }
    if (group->left() == 0) asio::post(executor, [group] { group->go_on(); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(initiate), use_task);
}

Task<Result<>> run_patiently(PatientOperation operation, Patience patience, std::shared_ptr<const void> keeps) {
  co_await run_patiently(std::span<PatientOperation>(&operation, 1), patience, std::move(keeps));
  if (operation.error) co_return operation.error;
  co_return success();
}

}  // namespace storage::io
