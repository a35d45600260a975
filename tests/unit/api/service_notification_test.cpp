// Event notifications through the whole service: configurations, and the events that each operation leaves in the queue.
#include <nlohmann/json.hpp>

#include "api/events/event_queue.h"
#include "api/events/notification.h"
#include "api/xml_reader.h"
#include "tests/support/run_task.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using nlohmann::json;
using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

constexpr char kHook[] = "arn:granary:sqs:us-east-1:hook:webhook";
constexpr char kLines[] = "arn:minio:sqs::lines:directory";

std::string rule(const std::string& kind, const std::string& arn, const std::vector<std::string>& events,
                 const std::string& more = {}) {
  const std::string element = kind == "CloudFunction" ? "CloudFunction" : kind;
  std::string text = "<" + kind + "Configuration><" + element + ">" + arn + "</" + element + ">" + more;
  for (const std::string& event : events) text += "<Event>" + event + "</Event>";
  return text + "</" + kind + "Configuration>";
}

std::string filter(const std::string& name, const std::string& value) {
  return "<Filter><S3Key><FilterRule><Name>" + name + "</Name><Value>" + value + "</Value></FilterRule></S3Key></Filter>";
}

std::string document(const std::string& rules) {
  return "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + rules +
         "</NotificationConfiguration>";
}

class NotificationTest : public ServiceTest {
 protected:
  NotificationTest() {
    restart({});
    EXPECT_EQ(call("PUT", "/bkt").status, 200u);
  }

  void restart(api::NotificationOptions options) {
    options.targets.resize(2);
    options.targets[0].name = "hook";
    options.targets[0].url = "http://127.0.0.1:1/";
    options.targets[1].kind = api::EventTargetKind::directory;
    options.targets[1].name = "lines";
    options.targets[1].path = "/nowhere";
    api::ServiceOptions service = default_options();
    service.notifications = options;
    make_service(service);
    EXPECT_TRUE(tests::run_task(context_, service_->start()).has_value());
  }

  Reply configure(const std::string& rules) { return call("PUT", "/bkt?notification", document(rules)); }

  // Takes all messages for a target out of the queue.
  std::vector<json> take(std::size_t target = 0) {
    auto events = tests::run_task(context_, service_->events().next(target, "", 1000));
    EXPECT_TRUE(events.has_value());
    std::vector<json> messages;
    for (const api::QueuedEvent& event : *events) messages.push_back(json::parse(event.message));
    EXPECT_TRUE(tests::run_task(context_, service_->events().done(target, std::move(*events))).has_value());
    return messages;
  }
  // The same without tests, as "name key" in order.
  std::vector<std::string> names(std::size_t target = 0) {
    std::vector<std::string> found;
    for (const json& message : take(target)) {
      if (message.contains("Event")) continue;
      const json& record = message.at("Records").at(0);
      found.push_back(record.at("eventName").get<std::string>() + " " +
                      record.at("s3").at("object").at("key").get<std::string>());
    }
    return found;
  }
  void listen(const std::vector<std::string>& events) {
    ASSERT_EQ(configure(rule("Queue", kHook, events)).status, 200u);
    take();
  }
  void enable_versioning() {
    ASSERT_EQ(call("PUT", "/bkt?versioning",
                   "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>").status, 200u);
  }
};

using Names = std::vector<std::string>;

TEST_F(NotificationTest, ConfigurationsComeBackAsTheyWere) {
  EXPECT_EQ(call("GET", "/bkt?notification").count("<Event>"), 0u);
  const Reply put = configure(rule("Queue", kHook, {"s3:ObjectCreated:*"}, "<Id>one</Id>" + filter("prefix", "a/")) +
                              rule("Topic", kLines, {"s3:ObjectRemoved:Delete", "s3:ObjectTagging:*"}) +
                              rule("CloudFunction", kHook, {"s3:ObjectCreated:Put"}, filter("SUFFIX", ".jpg") + "<Id>f</Id>") +
                              "<EventBridgeConfiguration/>");
  EXPECT_EQ(put.code(), "InvalidArgument") << "prefix a/ and suffix .jpg meet in a/x.jpg";
  const Reply good = configure(rule("Queue", kHook, {"s3:ObjectCreated:*"}, "<Id>one</Id>" + filter("prefix", "a/")) +
                               rule("Topic", kLines, {"s3:ObjectRemoved:Delete", "s3:ObjectTagging:*"}) +
                               rule("CloudFunction", kHook, {"s3:ObjectAcl:Put"}, filter("SUFFIX", ".jpg") + "<Id>f</Id>") +
                               "<EventBridgeConfiguration/>");
  ASSERT_EQ(good.status, 200u) << good.body;
  const Reply got = call("GET", "/bkt?notification");
  EXPECT_EQ(got.count("<QueueConfiguration>"), 1u);
  EXPECT_EQ(got.element("Id"), "one");
  EXPECT_EQ(got.element("Queue"), kHook);
  EXPECT_EQ(got.element("Topic"), kLines);
  EXPECT_EQ(got.element("CloudFunction"), kHook);
  EXPECT_EQ(got.count("<Id>"), 3u) << "a rule without an Id has got one";
  EXPECT_EQ(got.count("<Name>Prefix</Name>"), 1u);
  EXPECT_EQ(got.count("<Name>Suffix</Name>"), 1u);
  EXPECT_EQ(got.count("EventBridgeConfiguration"), 1u + got.count("</EventBridgeConfiguration>"));
  EXPECT_EQ(configure("").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?notification").count("<QueueConfiguration>"), 0u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/bkt?notification")).code(), "AccessDenied");
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", "/bkt?notification", document(""))).code(), "AccessDenied");
}

TEST_F(NotificationTest, WhatIsWrongIsSaidAsS3SaysIt) {
  struct Case {
    std::string rules;
    std::string code;
    std::string message;
  };
  const std::string created = "s3:ObjectCreated:*";
  const std::vector<Case> cases = {
      {rule("Queue", kHook, {"s3:ObjectMade:*"}), "InvalidArgument", "The event is not supported for notifications"},
      {rule("Queue", kHook, {"s3:*"}), "InvalidArgument", "The event is not supported for notifications"},
      {rule("Queue", kHook, {}), "MalformedXML", ""},
      {"<QueueConfiguration><Event>s3:ObjectCreated:Put</Event></QueueConfiguration>", "MalformedXML", ""},
      {"<Unknown/>", "MalformedXML", ""},
      {rule("Queue", "hook", {created}), "InvalidArgument", "The ARN could not be parsed"},
      {rule("Topic", "arn:aws:sqs:us-east-1:123456789012:q", {created}), "InvalidArgument", "The ARN could not be parsed"},
      {rule("Queue", "arn:aws:sqs:us-east-1:123456789012:q", {created}), "InvalidArgument",
       "Unable to validate the following destination configurations"},
      {rule("Queue", "arn:granary:sqs:us-east-1:hook:directory", {created}), "InvalidArgument",
       "Unable to validate the following destination configurations"},
      {rule("Queue", "arn:granary:sqs:eu-west-9:hook:webhook", {created}), "InvalidArgument",
       "The notification destination service region is not valid for the bucket location constraint"},
      {rule("Queue", kHook, {created}, filter("infix", "x")), "InvalidArgument",
       "filter rule name must be either prefix or suffix"},
      {rule("Queue", kHook, {created}, filter("prefix", "")), "InvalidArgument", "filter value cannot be empty"},
      {rule("Queue", kHook, {created}, filter("prefix", std::string(1025, 'a'))), "InvalidArgument",
       "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation"},
      {rule("Queue", kHook, {created}) + rule("Topic", kLines, {"s3:ObjectCreated:Put"}), "InvalidArgument",
       "Configurations overlap. Configurations on the same bucket cannot share a common event type."},
      {rule("Queue", kHook, {created}, filter("prefix", "a")) + rule("Topic", kLines, {created}, filter("prefix", "ab")),
       "InvalidArgument",
       "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping "
       "for the same event type."},
      {rule("Queue", kHook, {created}, "<Id>x</Id>") + rule("Queue", kHook, {"s3:ObjectRemoved:*"}, "<Id>x</Id>"),
       "InvalidArgument", "Same ID used for multiple configurations. IDs must be unique"},
      {"<EventBridgeConfiguration/><EventBridgeConfiguration/>", "MalformedXML", ""},
  };
  for (const Case& each : cases) {
    const Reply reply = configure(each.rules);
    EXPECT_EQ(reply.status, 400u) << each.rules;
    EXPECT_EQ(reply.code(), each.code) << each.rules;
    if (!each.message.empty()) EXPECT_EQ(reply.element("Message"), each.message);
  }
  const std::string two = "<Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule>"
                          "<FilterRule><Name>Prefix</Name><Value>b</Value></FilterRule></S3Key></Filter>";
  EXPECT_EQ(configure(rule("Queue", kHook, {created}, two)).element("Message"),
            "Cannot specify more than one prefix rule in a filter.");
  const Reply unknown = configure(rule("Queue", "arn:granary:sqs:us-east-1:other:webhook", {created}));
  EXPECT_EQ(unknown.element("ArgumentName"), "arn:granary:sqs:us-east-1:other:webhook");
  EXPECT_EQ(unknown.element("ArgumentValue"), "The destination queue does not exist");
  EXPECT_TRUE(take().empty()) << "nothing was accepted, nobody is told";
  EXPECT_EQ(call("GET", "/bkt?notification").count("<Event>"), 0u);

  TestRequest skipped("PUT", "/bkt?notification", document(rule("Queue", "arn:aws:sqs:us-east-1:123456789012:q", {created})));
  skipped.set("x-amz-skip-destination-validation", "true");
  EXPECT_EQ(call(skipped).status, 200u);
  put("/bkt/k", "x");
  EXPECT_TRUE(take().empty()) << "the target is nobody of ours";
}

TEST_F(NotificationTest, TargetsHearThatTheyAreNamed) {
  ASSERT_EQ(configure(rule("Queue", kHook, {"s3:ObjectCreated:*"}) + rule("Queue", kHook, {"s3:ObjectRemoved:*"})).status, 200u);
  const std::vector<json> messages = take();
  ASSERT_EQ(messages.size(), 1u) << "once, though two rules name it";
  EXPECT_EQ(messages[0].at("Service"), "Amazon S3");
  EXPECT_EQ(messages[0].at("Event"), "s3:TestEvent");
  EXPECT_EQ(messages[0].at("Bucket"), "bkt");
  EXPECT_EQ(messages[0].at("Time"), "2013-05-24T00:00:00.000Z");
  EXPECT_TRUE(take(1).empty());
}

TEST_F(NotificationTest, ARecordSaysWhatHappened) {
  listen({"s3:ObjectCreated:*"});
  put("/bkt/dir/a%20b%2Bc%C3%A9", "hello");
  const std::vector<json> messages = take();
  ASSERT_EQ(messages.size(), 1u);
  const json record = messages[0].at("Records").at(0);
  EXPECT_EQ(record.at("eventVersion"), "2.1");
  EXPECT_EQ(record.at("eventSource"), "aws:s3");
  EXPECT_EQ(record.at("awsRegion"), "us-east-1");
  EXPECT_EQ(record.at("eventTime"), "2013-05-24T00:00:00.000Z");
  EXPECT_EQ(record.at("eventName"), "ObjectCreated:Put");
  EXPECT_EQ(record.at("userIdentity").at("principalId"), "main-id");
  EXPECT_TRUE(record.at("requestParameters").contains("sourceIPAddress"));
  EXPECT_EQ(record.at("responseElements").at("x-amz-request-id"), "0123456789ABCDEF");
  EXPECT_FALSE(record.at("responseElements").at("x-amz-id-2").get<std::string>().empty());
  const json& s3 = record.at("s3");
  EXPECT_EQ(s3.at("s3SchemaVersion"), "1.0");
  EXPECT_FALSE(s3.at("configurationId").get<std::string>().empty());
  EXPECT_EQ(s3.at("bucket").at("name"), "bkt");
  EXPECT_EQ(s3.at("bucket").at("ownerIdentity").at("principalId"), "main-id");
  EXPECT_EQ(s3.at("bucket").at("arn"), "arn:aws:s3:::bkt");
  EXPECT_EQ(s3.at("object").at("key"), "dir/a+b%2Bc%C3%A9");
  EXPECT_EQ(s3.at("object").at("size"), 5);
  EXPECT_EQ(s3.at("object").at("eTag"), "5d41402abc4b2a76b9719d911017c592");
  EXPECT_FALSE(s3.at("object").contains("versionId"));
  EXPECT_EQ(s3.at("object").at("sequencer").get<std::string>().size(), 16u);
}

TEST_F(NotificationTest, EveryWayToMakeAnObject) {
  listen({"s3:ObjectCreated:*"});
  put("/bkt/put", "x");
  TestRequest copy("PUT", "/bkt/copy");
  copy.set("x-amz-copy-source", "/bkt/put");
  EXPECT_EQ(call(copy).status, 200u);
  const std::string upload = start_upload("/bkt/parts");
  const std::string etag = put_part("/bkt/parts", upload, 1, "part");
  const std::string complete = complete_body({{1, etag}});
  EXPECT_EQ(call("POST", "/bkt/parts?uploadId=" + upload, complete).status, 200u);
  EXPECT_EQ(call("POST", "/bkt/parts?uploadId=" + upload, complete).status, 200u);
  TestRequest append("PUT", "/bkt/put", "yz");
  append.set("x-amz-write-offset-bytes", "1");
  EXPECT_EQ(call(append).status, 200u);
  EXPECT_EQ(names(), (Names{"ObjectCreated:Put put", "ObjectCreated:Copy copy", "ObjectCreated:CompleteMultipartUpload parts",
                            "ObjectCreated:Put put"}))
      << "a repeated Complete changes nothing and tells nothing";
  TestRequest refused("PUT", "/bkt/put", "w");
  refused.set("if-none-match", "*");
  EXPECT_EQ(call(refused).status, 412u);
  body_error_ = api::make_error_code(api::BodyErrc::http_body_truncated);
  EXPECT_NE(call("PUT", "/bkt/cut", "abc").status, 200u);
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(service_->events().totals(0).queued_events, 0u);
  EXPECT_EQ(service_->events().totals(0).queued_bytes, 0u);
}

TEST_F(NotificationTest, FormsAreTold) {
  listen({"s3:ObjectCreated:Post"});
  ASSERT_EQ(call("PUT", "/bkt?acl", "").status, 400u);
  TestRequest open("PUT", "/bkt?acl");
  open.set("x-amz-acl", "public-read-write");
  ASSERT_EQ(call(open).status, 200u);
  TestRequest form("POST", "/bkt",
                   "--XX\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nformed\r\n--XX\r\n"
                   "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nbody\r\n--XX--\r\n");
  form.set("content-type", "multipart/form-data; boundary=XX");
  ASSERT_EQ(send(form).status, 204u);
  put("/bkt/plain", "x");
  EXPECT_EQ(names(), (Names{"ObjectCreated:Post formed"}));
}

TEST_F(NotificationTest, RemovalsWithAndWithoutVersions) {
  put("/bkt/a", "x");
  listen({"s3:ObjectRemoved:*"});
  EXPECT_EQ(call("DELETE", "/bkt/absent").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/a").status, 204u);
  EXPECT_EQ(names(), (Names{"ObjectRemoved:Delete a"}));
  enable_versioning();
  const std::string version = put("/bkt/b", "x").header("x-amz-version-id");
  const std::string marker = call("DELETE", "/bkt/b").header("x-amz-version-id");
  EXPECT_EQ(call("DELETE", "/bkt/b?versionId=" + marker).status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/b?versionId=" + version).status, 204u);
  const std::vector<json> messages = take();
  ASSERT_EQ(messages.size(), 3u);
  const auto object = [&](std::size_t i) { return messages[i].at("Records").at(0).at("s3").at("object"); };
  const auto name = [&](std::size_t i) { return messages[i].at("Records").at(0).at("eventName"); };
  EXPECT_EQ(name(0), "ObjectRemoved:DeleteMarkerCreated");
  EXPECT_EQ(object(0).at("versionId"), marker);
  EXPECT_EQ(name(1), "ObjectRemoved:Delete");
  EXPECT_EQ(object(1).at("versionId"), marker);
  EXPECT_EQ(name(2), "ObjectRemoved:Delete");
  EXPECT_EQ(object(2).at("versionId"), version);
  EXPECT_FALSE(object(2).contains("size"));
  EXPECT_LT(object(0).at("sequencer"), object(1).at("sequencer"));
  EXPECT_LT(object(1).at("sequencer"), object(2).at("sequencer"));
}

TEST_F(NotificationTest, BulkRemovalsTellEachKey) {
  for (const char* key : {"a", "b", "c"}) put(std::string("/bkt/") + key, "x");
  listen({"s3:ObjectRemoved:*"});
  TestRequest request("POST", "/bkt?delete",
                      "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object><Object><Key>c</Key></Object></Delete>");
  EXPECT_EQ(call(request).status, 200u);
  EXPECT_EQ(names(), (Names{"ObjectRemoved:Delete a", "ObjectRemoved:Delete c"}));
}

TEST_F(NotificationTest, ChangesInPlaceAndRenames) {
  put("/bkt/k", "x");
  listen({"s3:ObjectTagging:*", "s3:ObjectAcl:Put", "s3:ObjectCreated:*", "s3:ObjectRemoved:*"});
  EXPECT_EQ(call("PUT", "/bkt/k?tagging",
                 "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>").status, 200u);
  EXPECT_EQ(call("DELETE", "/bkt/k?tagging").status, 204u);
  TestRequest acl("PUT", "/bkt/k?acl");
  acl.set("x-amz-acl", "public-read");
  EXPECT_EQ(call(acl).status, 200u);
  const std::vector<json> messages = take();
  ASSERT_EQ(messages.size(), 3u);
  for (const json& message : messages) EXPECT_EQ(message.at("Records").at(0).at("eventVersion"), "2.3");
  EXPECT_EQ(messages[0].at("Records").at(0).at("eventName"), "ObjectTagging:Put");
  EXPECT_EQ(messages[1].at("Records").at(0).at("eventName"), "ObjectTagging:Delete");
  EXPECT_EQ(messages[2].at("Records").at(0).at("eventName"), "ObjectAcl:Put");
  TestRequest rename("PUT", "/bkt/new?renameObject");
  rename.set("x-amz-rename-source", "k");
  EXPECT_EQ(call(rename).status, 200u);
  EXPECT_EQ(names(), (Names{"ObjectCreated:Copy new", "ObjectRemoved:Delete k"}));
}

TEST_F(NotificationTest, AnnotationsAreTold) {
  put("/bkt/k", "x");
  listen({"s3:ObjectAnnotation:*"});
  EXPECT_EQ(call("PUT", "/bkt/k?annotation&annotationName=note", "{\"a\": 1}").status, 200u);
  EXPECT_EQ(call("DELETE", "/bkt/k?annotation&annotationName=note").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/k?annotation&annotationName=absent").status, 204u);
  EXPECT_EQ(names(), (Names{"ObjectAnnotation:Put k", "ObjectAnnotation:Delete k"}));
}

TEST_F(NotificationTest, FiltersAndTargetsAreChosenByKey) {
  ASSERT_EQ(configure(rule("Queue", kHook, {"s3:ObjectCreated:*"}, filter("prefix", "logs/")) +
                      rule("Queue", kLines, {"s3:ObjectCreated:*"}, filter("prefix", "img/"))).status, 200u);
  take();
  take(1);
  for (const char* key : {"logs/1", "img/1", "other"}) put(std::string("/bkt/") + key, "x");
  EXPECT_EQ(names(0), (Names{"ObjectCreated:Put logs/1"}));
  EXPECT_EQ(names(1), (Names{"ObjectCreated:Put img/1"}));
}

TEST_F(NotificationTest, LifecycleTellsWhatItRemoves) {
  ASSERT_EQ(call("PUT", "/bkt?lifecycle",
                 "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration>"
                 "</Rule></LifecycleConfiguration>").status, 200u);
  put("/bkt/old", "x");
  listen({"s3:LifecycleExpiration:*", "s3:ObjectRemoved:*"});
  clock_.advance(3LL * 24 * 3600 * 1000);
  tests::run_task(context_, service_->run_lifecycle());
  const std::vector<json> messages = take();
  ASSERT_EQ(messages.size(), 1u);
  const json record = messages[0].at("Records").at(0);
  EXPECT_EQ(record.at("eventName"), "LifecycleExpiration:Delete");
  EXPECT_EQ(record.at("userIdentity").at("principalId"), "s3.amazonaws.com");
  clock_.advance(-3LL * 24 * 3600 * 1000);  // or nothing that was signed then is taken
  enable_versioning();
  put("/bkt/kept", "x");
  clock_.advance(3LL * 24 * 3600 * 1000);
  tests::run_task(context_, service_->run_lifecycle());
  EXPECT_EQ(names(), (Names{"LifecycleExpiration:DeleteMarkerCreated kept"}));
}

TEST_F(NotificationTest, ABridgeGetsItsOwnForm) {
  api::NotificationOptions options;
  options.event_bridge = "lines";
  restart(options);
  ASSERT_EQ(configure("<EventBridgeConfiguration/>").status, 200u);
  put("/bkt/a b", "hello");
  EXPECT_EQ(call("DELETE", "/bkt/a%20b").status, 204u);
  const std::vector<json> messages = take(1);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].at("detail-type"), "Object Created");
  EXPECT_EQ(messages[0].at("detail").at("object").at("key"), "a b");
  EXPECT_EQ(messages[0].at("detail").at("reason"), "PutObject");
  EXPECT_EQ(messages[1].at("detail-type"), "Object Deleted");
  EXPECT_EQ(messages[1].at("detail").at("deletion-type"), "Permanently Deleted");
  EXPECT_TRUE(take(0).empty());
}

TEST_F(NotificationTest, EventsOutliveTheProcess) {
  listen({"s3:ObjectCreated:*"});
  put("/bkt/k", "x");
  restart({});
  EXPECT_EQ(service_->events().totals(0).queued_events, 1u);
  EXPECT_EQ(names(), (Names{"ObjectCreated:Put k"}));
  EXPECT_EQ(service_->events().totals(0).queued_events, 0u);
  EXPECT_EQ(service_->events().totals(0).delivered, 1u);
}

TEST_F(NotificationTest, AFullQueueDropsWhatIsNewAndWritesGoOn) {
  api::NotificationOptions options;
  options.queue_events_max = 3;
  restart(options);
  listen({"s3:ObjectCreated:*"});
  for (const char* key : {"1", "2", "3", "4", "5"}) put(std::string("/bkt/") + key, "x");
  EXPECT_EQ(service_->events().totals(0).dropped, 2u);
  EXPECT_EQ(service_->events().totals(0).queued_events, 3u);
  EXPECT_EQ(configure(rule("Queue", kHook, {"s3:ObjectRemoved:*"})).code(), "InvalidArgument") << "its test finds no room";
  EXPECT_EQ(names(), (Names{"ObjectCreated:Put 1", "ObjectCreated:Put 2", "ObjectCreated:Put 3"}));
  put("/bkt/6", "x");
  EXPECT_EQ(names(), (Names{"ObjectCreated:Put 6"})) << "there is room again";
}

// Power goes at each commit of a PUT in turn: an object that is there was told of, one that is not there was not.
TEST_F(NotificationTest, AnEventIsThereExactlyWithItsChange) {
  listen({"s3:ObjectCreated:*", "s3:ObjectRemoved:*"});
  bool acknowledged = false;
  for (std::uint64_t commits = 0; !acknowledged; ++commits) {
    ASSERT_LT(commits, 10u);
    const std::string key = "k" + std::to_string(commits);
    metadata_.cut_after(commits);
    acknowledged = call("PUT", "/bkt/" + key, "x").status == 200;
    metadata_.reboot();
    restart({});
    const bool there = call("HEAD", "/bkt/" + key).status == 200;
    EXPECT_EQ(names(), there ? Names{"ObjectCreated:Put " + key} : Names{}) << commits;
    EXPECT_TRUE(there || !acknowledged);
    EXPECT_EQ(service_->events().totals(0).queued_events, 0u);
  }
  metadata_.cut_after(0);
  EXPECT_NE(call("PUT", "/bkt/never", "x").status, 200u);
  EXPECT_EQ(service_->events().totals(0).queued_events, 0u) << "what came to nothing claims no room";
  EXPECT_EQ(service_->events().totals(0).queued_bytes, 0u);
  metadata_.reboot();
}

TEST(Notification, EventNames) {
  EXPECT_EQ(api::events_by_name("s3:ObjectCreated:Put"), api::event_bit(api::EventKind::created_put));
  EXPECT_EQ(api::events_by_name("s3:LifecycleExpiration:*"),
            api::event_bit(api::EventKind::expiration_delete) | api::event_bit(api::EventKind::expiration_marker));
  for (const char* name : {"s3:ObjectAcl:*", "s3:ObjectCreated", "ObjectCreated:Put", "s3:ObjectCreated:put", "", "s3:"}) {
    EXPECT_FALSE(api::events_by_name(name)) << name;
  }
  for (std::size_t i = 0; i < api::kEventKinds; ++i) {
    const auto kind = static_cast<api::EventKind>(i);
    EXPECT_EQ(api::events_by_name("s3:" + std::string(api::event_name(kind))), api::event_bit(kind));
  }
}

}  // namespace
