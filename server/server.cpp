#include "server/server.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <thread>

#include "server/admin_server.h"
#include "server/admin_service.h"
#include "server/event_delivery.h"
#include "server/file_limit.h"
#include "server/handlers.h"
#include "server/listener.h"
#include "server/secrets_key.h"
#include "server/store_node.h"
#include "storage/base/log.h"

namespace server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                         storage::Executor>;

constexpr std::chrono::milliseconds kDrainLook{20};

// One thread and its event loop.
struct CoreThread {
  explicit CoreThread(storage::MetricsRegistry& registry) : metrics(registry) {}

  asio::io_context context{1};
  Core core{context.get_executor()};
  RequestMetrics metrics;
  storage::TaskGroup accepting;
  storage::TaskGroup sessions;
  storage::TaskGroup sweeping;
  storage::TaskGroup ending;  // the sweeper of the stop: a cancelled group ends whatever it is given
  std::vector<std::unique_ptr<Listener>> listeners;
  asio::executor_work_guard<storage::Executor> keep_running{context.get_executor()};
  std::thread thread;
};

// New requests are refused from here on, by the handler; those that run go on.
Task<> begin_stop(CoreThread& core) {
  core.core.stopping = true;
  co_return;
}

// Waits for the requests that came before the stop, at most until `limit`.
Task<> drain(CoreThread& core, std::chrono::steady_clock::time_point limit) {
  Timer timer(core.core.executor);
  while (core.core.busy() && std::chrono::steady_clock::now() < limit) {
    timer.expires_after(kDrainLook);
    co_await timer.async_wait(asio::as_tuple(storage::use_task));
  }
}

Task<> close_listeners(CoreThread& core) {
  core.core.closing = true;
  for (auto& listener : core.listeners) listener->close();
  core.sweeping.cancel();  // the sweeper starts again with its short period
  core.accepting.cancel();  // those that pause
  co_await core.sweeping.join();
  co_await core.accepting.join();
}

// The sweeper ends all that sessions wait for on sockets, again and again; waits for memory end here.
Task<> cut_sessions(CoreThread& core) {
  core.core.cutting = true;
  core.sessions.cancel();
  co_await core.sessions.join();
}

Task<> join_sessions(CoreThread& core) { co_await core.sessions.join(); }

// Listeners of several cores share a port (SO_REUSEPORT), and so would another process of the same user, which would
// then get a share of the connections. Binding once without sharing finds out; throws if the port is taken.
void refuse_taken(const tcp::endpoint& endpoint) {
  asio::io_context context;
  tcp::acceptor probe(context);
  probe.open(endpoint.protocol());
  probe.set_option(tcp::acceptor::reuse_address(true));
  probe.bind(endpoint);
}

// Looks from time to time whether a lifecycle rule has something to do, until it is cancelled.
Task<> keep_lifecycle(api::Service& service, std::uint32_t scan_seconds) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  while (cancellation.cancelled() == asio::cancellation_type::none) {
    timer.expires_after(std::chrono::seconds(scan_seconds));
    auto [error] = co_await timer.async_wait(asio::as_tuple(storage::use_task));
    if (error) co_return;
    co_await service.run_lifecycle();
  }
}

// Goes on with streams of labels, until it is cancelled.
Task<> keep_label_streams(api::Service& service) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  while (cancellation.cancelled() == asio::cancellation_type::none) {
    timer.expires_after(std::chrono::seconds(1));
    auto [error] = co_await timer.async_wait(asio::as_tuple(storage::use_task));
    if (error) co_return;
    co_await service.run_label_streams();
  }
}

// Writes access logs from time to time, and a last time when it is cancelled.
Task<> keep_access_logs(api::Service& service, std::uint32_t seconds) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  bool last = false;
  while (!last) {
    timer.expires_after(std::chrono::seconds(seconds));
    auto [error] = co_await timer.async_wait(asio::as_tuple(storage::use_task));
    last = error || cancellation.cancelled() != asio::cancellation_type::none;
    co_await service.flush_access_logs();
  }
}

Task<> end_group(storage::TaskGroup& group) {
  group.cancel();
  co_await group.join();
}

std::future<void> start_on(CoreThread& core, Task<> task) {
  return asio::co_spawn(core.context, std::move(task), asio::use_future);
}

class Process {
 public:
  explicit Process(const Config& config) : config_(config), connections_(config.connections_max) {}

  bool start(std::string& why);
  int wait_for_signal();

 private:
  bool listen(std::string& why);
  bool listen_admin(std::string& why);
  bool read_users(std::string& why);
  tcp::endpoint resolve(const std::string& address);
  bool fit_connections(std::string& why);
  void set_up_core(CoreThread& core);
  template <class Step>
  void on_all_cores(Step step);
  void stop();

  const Config& config_;
  // Watched from before the first listener, so that a stop which comes early is an orderly one, too.
  asio::io_context signal_context_;
  asio::signal_set signals_{signal_context_, SIGTERM, SIGINT, SIGHUP};
  storage::MetricsRegistry metrics_;
  ConnectionCount connections_;
  TlsContext tls_;
  std::unique_ptr<StoreNode> store_;
  std::unique_ptr<api::Service> service_;
  std::unique_ptr<EventDelivery> events_;
  std::unique_ptr<S3Handler> s3_;
  std::unique_ptr<AdminService> admin_service_;
  std::unique_ptr<AdminServer> admin_;
  std::vector<std::unique_ptr<CoreThread>> cores_;
  storage::TaskGroup lifecycle_;
  storage::TaskGroup label_streams_;
  storage::TaskGroup access_logs_;
};

tcp::endpoint Process::resolve(const std::string& address) {
  std::string host;
  std::uint16_t port = 0;
  split_address(address, host, port);
  asio::io_context context;
  tcp::resolver resolver(context);
  return resolver.resolve(host, std::to_string(port), tcp::resolver::passive).begin()->endpoint();
}

bool Process::listen(std::string& why) {
  const auto add = [&](const std::string& address, Handler& handler, bool counted, const TlsContext* tls,
                       std::size_t cores) {
    try {
      const tcp::endpoint endpoint = resolve(address);
      refuse_taken(endpoint);
      for (std::size_t i = 0; i < cores; ++i) {
        CoreThread& core = *cores_[i];
        core.listeners.push_back(std::make_unique<Listener>(core.core, endpoint, handler,
                                                            counted ? &core.metrics : nullptr, core.sessions,
                                                            connections_, tls));
      }
      return true;
    } catch (const boost::system::system_error& error) {
      why = fmt::format("cannot listen on {}: {}", address, error.code().message());
      return false;
    }
  };
  if (!add(config_.listen, *s3_, true, nullptr, cores_.size())) return false;
  if (!config_.tls.listen.empty()) {
    if (!tls_.load(config_.tls.certificate, config_.tls.key, why)) return false;
    if (!add(config_.tls.listen, *s3_, true, &tls_, cores_.size())) return false;
  }
  return true;
}

bool Process::listen_admin(std::string& why) {
  admin_service_ = std::make_unique<AdminService>(*store_, service_->users(), metrics_);
  const AdminHandle handle = [this](AdminRequest request) { return admin_service_->handle(std::move(request)); };
  AdminServer::Options options;
  options.listen = config_.admin_listen;
  options.token = config_.admin_token;
  options.socket = config_.admin_socket.empty() ? default_admin_socket(config_.listen) : config_.admin_socket;
  admin_ = AdminServer::start(options, handle, why);
  if (admin_ || !config_.admin_socket.empty()) return admin_ != nullptr;
  // Nobody asked for the socket at its usual place: the store serves without it.
  storage::log_warn("admin_socket_off", {{"why", why}});
  options.socket.clear();
  why.clear();
  admin_ = AdminServer::start(options, handle, why);
  return admin_ != nullptr;
}

bool Process::fit_connections(std::string& why) {
  const std::uint64_t files = raise_file_limit();  // raised before the store opened its files: this only tells
  connections_.max = connections_within(files, open_files(), config_.drives.size(), config_.connections_max);
  if (connections_.max == 0) {
    why = fmt::format("the process may open only {} files: raise the limit (ulimit -n, LimitNOFILE)", files);
    return false;
  }
  if (connections_.max < config_.connections_max) {
    storage::log_info("connections_bounded", {{"connections_max", connections_.max}, {"files", files}});
  }
  return true;
}

void Process::set_up_core(CoreThread& core) {
  core.core.patience = {config_.slow_client_bytes_per_second, config_.slow_reader_bytes_per_second};
  core.core.memory_short = [this] { return store_->memory_short(); };
  core.core.slow_clients_cut =
      &metrics_.counter("api_slow_clients_cut_total", "Clients cut because they were too slow.");
}

// On this thread: no core runs yet.
bool Process::read_users(std::string& why) {
  asio::io_context context;
  auto started = asio::co_spawn(context, service_->start(), asio::use_future);
  context.run();
  const storage::Result<> result = started.get();
  if (!result) why = fmt::format("the users in the metadata store cannot be read: {}", result.error().message());
  return result.has_value();
}

bool Process::start(std::string& why) {
  raise_file_limit();
  const auto client_calls = [this] {
    std::uint64_t requests = 0;
    for (const auto& core : cores_) requests += core->core.requests.load(std::memory_order_relaxed);
    return requests;
  };
  store_ = StoreNode::start(config_, StoreNode::BlankDrives::format, metrics_, client_calls, why);
  if (!store_ || !fit_connections(why)) return false;
  api::ServiceOptions options;
  options.region = config_.region;
  options.locations = config_.locations;
  options.domains = config_.domains;
  options.users = config_.users;
  options.encryption = config_.encryption;
  options.lifecycle = config_.lifecycle;
  options.answers.answer_bytes_max = config_.answer_bytes_max;
  options.notifications = config_.notifications;
  options.storage_classes = config_.storage_classes;
  options.website_domains = config_.website_domains;
  options.signature_v2 = config_.signature_v2;
  options.unsafe_anonymous_reads = config_.unsafe_anonymous_reads;
  if (!load_secrets_key(config_, options.secrets_key, why)) return false;
  service_ = std::make_unique<api::Service>(store_->objects(), storage::system_clock(), std::move(options));
  if (!read_users(why)) return false;
  events_ = std::make_unique<EventDelivery>(service_->events(), metrics_);
  s3_ = std::make_unique<S3Handler>(*service_);
  metrics_.gauge_function("api_connections", "Open connections.", {},
                          [this] { return static_cast<double>(connections_.open.load()); });
  metrics_.gauge("api_connections_max", "Bound of api_connections.").set(connections_.max);

  const unsigned count = config_.threads > 0 ? config_.threads : std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < count; ++i) {
    cores_.push_back(std::make_unique<CoreThread>(metrics_));
    set_up_core(*cores_.back());
  }
  if (!events_->start(why) || !listen(why) || !listen_admin(why)) return false;
  for (auto& core : cores_) {
    for (auto& listener : core->listeners) core->accepting.spawn(core->core.executor, listener->run());
    core->sweeping.spawn(core->core.executor, keep_sweeping(core->core));
    core->thread = std::thread([&context = core->context] { context.run(); });
  }
  store_->attach(cores_.front()->core.executor);
  lifecycle_.spawn(cores_.front()->core.executor, keep_lifecycle(*service_, config_.lifecycle.scan_seconds));
  label_streams_.spawn(cores_.front()->core.executor, keep_label_streams(*service_));
  access_logs_.spawn(cores_.front()->core.executor, keep_access_logs(*service_, config_.access_log_seconds));
  storage::log_info("ready", {{"listen", config_.listen},
                              {"tls", config_.tls.listen.empty() ? "off" : config_.tls.listen},
                              {"admin", config_.admin_listen.empty() ? "off" : config_.admin_listen},
                              {"threads", count}});
  return true;
}

int Process::wait_for_signal() {
  bool stopping = false;
  std::thread stopper;
  std::function<void(const boost::system::error_code&, int)> on_signal =
      [&](const boost::system::error_code& error, int number) {
        if (error) return;
        if (number == SIGHUP) {
          std::string why;
          if (config_.tls.listen.empty() || tls_.load(config_.tls.certificate, config_.tls.key, why)) {
            storage::log_info("certificates_read");
          } else {
            storage::log_error("certificates_refused", {{"why", why}});
          }
        } else if (stopping) {
          storage::log_warn("stopped_at_once");
          ::_exit(1);
        } else {
          stopping = true;
          storage::log_info("stopping", {{"signal", number}});
          stopper = std::thread([&] {
            stop();
            asio::post(signal_context_, [&] { signals_.cancel(); });
          });
        }
        signals_.async_wait(on_signal);
      };
  signals_.async_wait(on_signal);
  signal_context_.run();
  if (stopper.joinable()) stopper.join();
  storage::log_info("stopped");
  return 0;
}

// Runs a step on every core and waits for all.
template <class Step>
void Process::on_all_cores(Step step) {
  std::vector<std::future<void>> steps;
  for (auto& core : cores_) steps.push_back(start_on(*core, step(*core)));
  for (auto& each : steps) each.get();
}

// While requests run, listeners stay: whoever asks meanwhile gets a 503 and not a refused connection.
void Process::stop() {
  const auto limit = std::chrono::steady_clock::now() + kStopLimit;
  s3_->stop();
  admin_service_->stop();
  start_on(*cores_.front(), end_group(lifecycle_)).get();
  start_on(*cores_.front(), end_group(label_streams_)).get();
  on_all_cores(begin_stop);
  on_all_cores([limit](CoreThread& core) { return drain(core, limit); });
  on_all_cores(close_listeners);
  for (auto& core : cores_) core->ending.spawn(core->core.executor, keep_sweeping(core->core));
  // Answers that refuse and goodbyes may still be under way.
  const auto last = std::max(limit, std::chrono::steady_clock::now() + kGoodbyeLimit);
  std::vector<std::future<void>> joined;
  for (auto& core : cores_) joined.push_back(start_on(*core, join_sessions(*core)));
  for (std::size_t i = 0; i < joined.size(); ++i) {
    if (joined[i].wait_until(last) == std::future_status::ready) continue;
    storage::log_warn("sessions_cut", {{"core", i}});
    start_on(*cores_[i], cut_sessions(*cores_[i])).get();
    joined[i].get();
  }
  // What the last requests left.
  start_on(*cores_.front(), end_group(access_logs_)).get();
  events_->stop();
  admin_->stop();
  store_->stop();
  for (auto& core : cores_) {
    core->ending.cancel();
    core->keep_running.reset();
  }
  for (auto& core : cores_) core->thread.join();
}

}  // namespace

int serve(Config& config) {
  ::signal(SIGPIPE, SIG_IGN);
  std::string why;
  Process process(config);
  if (!process.start(why)) {
    fmt::print(stderr, "granary: {}\n", why);
    std::fflush(stderr);
    ::_exit(1);  // nothing is open for writing: leaving at once beats unwinding half a start
  }
  // The service has them where core dumps do not look.
  for (api::User& user : config.users) OPENSSL_cleanse(user.secret_key.data(), user.secret_key.size());
  OPENSSL_cleanse(config.secrets_key.data(), config.secrets_key.size());
  return process.wait_for_signal();
}

}  // namespace server
