#include "api/website.h"

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/request_target.h"
#include "api/xml_reader.h"
#include "api/xml_writer.h"

namespace api {
namespace {

constexpr std::size_t kRulesMax = 50;

Failure bad_argument(std::string_view sentence) { return {S3Error::invalid_argument, std::string(sentence)}; }

// A text that may stand in a Location header; nullopt: the element is absent.
Outcome<std::optional<std::string>> text_of(const XmlElement& parent, std::string_view name) {
  const auto text = child_text(parent, name);
  if (!text) return text.error();
  if (!*text) return std::optional<std::string>();
  if ((*text)->size() > storage::kKeyBytesMax || !is_header_safe(**text)) return S3Error::malformed_xml;
  return std::optional<std::string>(**text);
}

Outcome<> parse_target_host(const XmlElement& element, WebsiteRedirect& redirect) {
  const auto host = text_of(element, "HostName");
  const auto protocol = text_of(element, "Protocol");
  if (!host) return host.error();
  if (!protocol) return protocol.error();
  redirect.host = host->value_or("");
  redirect.protocol = protocol->value_or("");
  if (!redirect.protocol.empty() && redirect.protocol != "http" && redirect.protocol != "https") {
    return Failure(S3Error::invalid_request, "Invalid protocol, protocol can be http or https. If not defined the "
                                             "protocol will be selected automatically.");
  }
  return done();
}

Outcome<> parse_redirect(const XmlElement& element, WebsiteRedirect& redirect) {
  if (element.children.empty()) return S3Error::malformed_xml;
  redirect.code = 302;
  if (auto parsed = parse_target_host(element, redirect); !parsed) return parsed.error();
  auto key = text_of(element, "ReplaceKeyWith");
  auto prefix = text_of(element, "ReplaceKeyPrefixWith");
  const auto code = text_of(element, "HttpRedirectCode");
  if (!key) return key.error();
  if (!prefix) return prefix.error();
  if (!code) return code.error();
  if (*key && *prefix) {
    return Failure(S3Error::invalid_request,
                   "You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
  }
  redirect.key = std::move(*key);
  redirect.key_prefix = std::move(*prefix);
  if (*code) {
    const auto number = parse_decimal(**code);
    const bool known = number && (*number == 301 || *number == 302 || *number == 303 || *number == 305 ||
                                  *number == 307 || *number == 308);
    if (!known) {
      return Failure(S3Error::invalid_request, "The provided HTTP redirect code (" + **code +
                                                   ") is not valid. Valid codes are 3XX except 300.");
    }
    redirect.code = static_cast<unsigned>(*number);
  }
  return done();
}

Outcome<WebsiteRule> parse_rule(const XmlElement& element) {
  WebsiteRule rule;
  for (const XmlElement& child : element.children) {
    if (child.name != "Condition" && child.name != "Redirect") return S3Error::malformed_xml;
  }
  const XmlElement* const redirect = element.child("Redirect");
  if (redirect == nullptr || element.count("Redirect") != 1 || element.count("Condition") > 1) {
    return S3Error::malformed_xml;
  }
  if (auto parsed = parse_redirect(*redirect, rule.redirect); !parsed) return parsed.error();
  const XmlElement* const condition = element.child("Condition");
  if (condition == nullptr) return rule;
  const auto prefix = text_of(*condition, "KeyPrefixEquals");
  const auto code = text_of(*condition, "HttpErrorCodeReturnedEquals");
  if (!prefix) return prefix.error();
  if (!code) return code.error();
  if (!*prefix && !*code) return S3Error::malformed_xml;
  rule.prefix = prefix->value_or("");
  if (*code) {
    const auto number = parse_decimal(**code);
    if (!number || *number < 400 || *number > 599) {
      return Failure(S3Error::invalid_request, "The provided HTTP error code (" + **code +
                                                   ") is not valid. Valid codes are 4XX or 5XX.");
    }
    rule.error_code = static_cast<unsigned>(*number);
  }
  return rule;
}

Outcome<> parse_documents(const XmlElement& document, Website& website) {
  const XmlElement* const index = document.child("IndexDocument");
  if (index == nullptr) return bad_argument("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty");
  const auto suffix = text_of(*index, "Suffix");
  if (!suffix) return suffix.error();
  website.index_suffix = suffix->value_or("");
  if (website.index_suffix.empty() || website.index_suffix.find('/') != std::string::npos) {
    return bad_argument("The IndexDocument Suffix is not well formed");
  }
  if (const XmlElement* const error = document.child("ErrorDocument")) {
    const auto key = text_of(*error, "Key");
    if (!key) return key.error();
    website.error_key = key->value_or("");
    if (website.error_key.empty()) return bad_argument("The ErrorDocument Key is not well formed");
  }
  return done();
}

}  // namespace

Outcome<Website> parse_website(const XmlElement& document) {
  Website website;
  for (const XmlElement& child : document.children) {
    const bool known = child.name == "IndexDocument" || child.name == "ErrorDocument" ||
                       child.name == "RoutingRules" || child.name == "RedirectAllRequestsTo";
    if (!known || document.count(child.name) != 1) return S3Error::malformed_xml;
  }
  if (const XmlElement* const all = document.child("RedirectAllRequestsTo")) {
    if (document.children.size() != 1) {
      return Failure(S3Error::invalid_request,
                     "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.");
    }
    WebsiteRedirect redirect;
    if (auto parsed = parse_target_host(*all, redirect); !parsed) return parsed.error();
    if (redirect.host.empty()) return S3Error::malformed_xml;
    website.redirect_all = std::move(redirect);
    return website;
  }
  if (auto parsed = parse_documents(document, website); !parsed) return parsed.error();
  const XmlElement* const rules = document.child("RoutingRules");
  if (rules == nullptr) return website;
  for (const XmlElement& element : rules->children) {
    if (element.name != "RoutingRule") return S3Error::malformed_xml;
    if (website.rules.size() == kRulesMax) {
      return Failure(S3Error::invalid_request, "The number of routing rules exceeds the maximum of 50.");
    }
    auto rule = parse_rule(element);
    if (!rule) return rule.error();
    website.rules.push_back(std::move(*rule));
  }
  return website;
}

std::shared_ptr<const Website> stored_website(std::string_view text) {
  const auto document = parse_xml(text, "WebsiteConfiguration");
  if (!document) return nullptr;
  auto website = parse_website(*document);
  if (!website) return nullptr;
  return std::make_shared<const Website>(std::move(*website));
}

namespace {

Response redirect_to(const Request& request, unsigned status, std::string_view location) {
  Response response;
  response.status = status;
  response.add_header("Location", location);
  response.head_only = request.method == "HEAD";
  return response;
}

Response follow(const Request& request, const WebsiteRedirect& redirect, std::string_view prefix,
                std::string_view key) {
  std::string target;
  if (redirect.key) {
    target = *redirect.key;
  } else if (redirect.key_prefix) {
    target = *redirect.key_prefix;
    target += key.substr(prefix.size());
  } else {
    target = key;
  }
  std::string url = redirect.protocol.empty() ? (request.tls ? "https" : "http") : redirect.protocol;
  url += "://";
  url += redirect.host.empty() ? request.header("host").value_or("") : std::string_view(redirect.host);
  url += '/';
  append_percent_encoded(url, target, Slash::keep);
  return redirect_to(request, redirect.code, url);
}

const WebsiteRule* find_rule(const Website& website, std::string_view key, unsigned error_code) {
  for (const WebsiteRule& rule : website.rules) {
    if (rule.error_code == error_code && key.starts_with(rule.prefix)) return &rule;
  }
  return nullptr;
}

std::string_view status_text(unsigned status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 416:
      return "Requested Range Not Satisfiable";
    default:
      return status >= 500 ? "Service Unavailable" : "Error";
  }
}

// The value of x-amz-website-redirect-location, which an object carries to send its readers elsewhere.
std::string_view redirect_of(const Response& response) {
  constexpr std::string_view kName = "x-amz-website-redirect-location: ";
  const std::size_t at = response.headers.find(kName);
  if (at == std::string::npos) return {};
  const std::string_view rest = std::string_view(response.headers).substr(at + kName.size());
  return rest.substr(0, rest.find("\r\n"));
}

}  // namespace

Response website_error(const Request& request, const Failure& failure, std::string_view key) {
  const ErrorRow& row = error_row(failure.error());
  const std::string title = to_decimal(row.status) + " " + std::string(status_text(row.status));
  std::string page = "<html>\n<head><title>" + title + "</title></head>\n<body>\n<h1>" + title + "</h1>\n<ul>\n";
  const auto item = [&page](std::string_view name, std::string_view value) {
    page.append("<li>").append(name).append(": ");
    append_xml_escaped(page, value);
    page += "</li>\n";
  };
  item("Code", row.code);
  item("Message", failure.message());
  if (!key.empty()) item("Key", key);
  item("RequestId", request.request_id);
  item("HostId", host_id(request.request_id));
  page += "</ul>\n<hr/>\n</body>\n</html>\n";
  Response response;
  response.status = row.status;
  response.headers = failure.headers();
  response.add_header("Content-Type", "text/html; charset=utf-8");
  response.head_only = request.method == "HEAD";
  response.content_length = page.size();
  if (!response.head_only) response.text = std::move(page);
  return response;
}

Task<Response> answer_website(const Website& website, const Request& request, std::string key, WebsiteReads reads) {
  if (website.redirect_all) co_return follow(request, *website.redirect_all, {}, key);
  if (const WebsiteRule* rule = find_rule(website, key, 0)) {
    co_return follow(request, rule->redirect, rule->prefix, key);
  }
  const bool folder = key.empty() || key.ends_with('/');
  const std::string object = folder ? key + website.index_suffix : key;
  auto found = co_await reads.get(object);
  if (found) {
    const std::string elsewhere(redirect_of(*found));
    if (!elsewhere.empty()) co_return redirect_to(request, 301, elsewhere);
    co_return std::move(*found);
  }
  const Failure failure = found.error();
  const unsigned status = error_row(failure.error()).status;
  if ((status == 404 || status == 403) && !folder) {
    // A folder that was asked for without its slash.
    const bool is_folder = co_await reads.exists(key + "/" + website.index_suffix);
    if (is_folder) co_return redirect_to(request, 302, "/" + percent_encode(key, Slash::keep) + "/");
  }
  if (const WebsiteRule* rule = find_rule(website, key, status)) {
    co_return follow(request, rule->redirect, rule->prefix, key);
  }
  if (!website.error_key.empty() && status >= 400 && status < 500) {
    auto page = co_await reads.get(website.error_key);
    // The whole of it, whatever range or condition was about the object that is not there.
    if (page && page->status == 200) {
      page->status = status;
      co_return std::move(*page);
    }
  }
  co_return website_error(request, failure, object);
}

}  // namespace api
