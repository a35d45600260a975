#include "tests/support/run_task.h"

namespace tests {

void run_task(boost::asio::io_context& context, storage::Task<> task) {
  bool done = false;
  std::exception_ptr failure;
  boost::asio::co_spawn(context.get_executor(), std::move(task), [&](std::exception_ptr error) {
    failure = error;
    done = true;
  });
  context.restart();
  while (!done && context.run_one() > 0) {
  }
  if (failure) std::rethrow_exception(failure);
  CHECK(done);
}

}  // namespace tests
