#include "tfaas_client.hpp"

#include <curl/curl.h>

#include <cstdlib>
#include <memory>
#include <mutex>

#include "tfaas.pb.h"

namespace mlaas4hep {
namespace {

constexpr long kTimeoutSeconds = 30;
constexpr std::size_t kLongest = 2000;

std::size_t append(char* data, std::size_t size, std::size_t count, void* target) {
    static_cast<std::string*>(target)->append(data, size * count);
    return size * count;
}

// The text of {"error": "..."}; anything else as it is, without line breaks.
std::string reason(const std::string& answer) {
    static const std::string before = R"({"error":")";
    std::string text = answer.substr(0, kLongest);
    if (answer.size() <= kLongest && answer.rfind(before, 0) == 0 && answer.size() > before.size() + 1)
        text = answer.substr(before.size(), answer.size() - before.size() - 2);
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        plain += text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    }
    return plain;
}

// Scheme and host of a URL as libcurl understands them; empty if it is none.
std::pair<std::string, std::string> scheme_and_host(const std::string& url) {
    std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
    if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
    auto part = [&](CURLUPart which) {
        char* text = nullptr;
        std::string found;
        if (curl_url_get(parsed.get(), which, &text, 0) == CURLUE_OK && text) found = text;
        curl_free(text);
        return found;
    };
    return {part(CURLUPART_SCHEME), part(CURLUPART_HOST)};
}

// A text without the spaces and line breaks around it, such as those of a file it was read from.
std::string stripped(const char* text) {
    const std::string whole = text ? text : "";
    const auto begin = whole.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return {};
    return whole.substr(begin, whole.find_last_not_of(" \t\r\n") + 1 - begin);
}

struct Handle {
    CURL* curl = curl_easy_init();
    curl_slist* headers = nullptr;
    ~Handle() {
        curl_slist_free_all(headers);
        curl_easy_cleanup(curl);
    }
    void header(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }
};

}  // namespace

std::vector<Probability> predict(const std::string& url, const std::string& model,
                                 const std::vector<std::string>& attributes, const std::vector<float>& values) {
    if (attributes.size() != values.size())
        throw ServerError("there must be one value for each attribute", 0);
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });

    const auto [scheme, host] = scheme_and_host(url);
    if (scheme != "http" && scheme != "https") throw ServerError(url + ": is not a URL of a server", 0);
    const bool local = host == "localhost" || host == "127.0.0.1" || host == "[::1]";

    tfaaspb::Row row;
    row.set_model(model);
    for (const auto& name : attributes) row.add_key(name);
    for (float value : values) row.add_value(value);
    const std::string body = row.SerializeAsString();

    Handle handle;
    if (!handle.curl) throw ServerError("libcurl cannot be used", 0);
    std::string answer;
    const std::string address = url.substr(0, url.find_last_not_of('/') + 1) + "/proto";
    handle.header("Content-Type: application/x-protobuf");
    const std::string token = stripped(std::getenv("BEARER_TOKEN"));
    if (!token.empty()) {
        for (const char sign : token)
            if (sign < '!' || sign > '~')
                throw ServerError("BEARER_TOKEN holds a character that no token has, such as a space", 0);
        if (scheme != "https" && !local) throw ServerError(url + ": a token would travel unprotected; use https", 0);
        handle.header("Authorization: Bearer " + token);
    }
    if (local) curl_easy_setopt(handle.curl, CURLOPT_NOPROXY, "*");
    if (const char* folder = std::getenv("X509_CERT_DIR")) curl_easy_setopt(handle.curl, CURLOPT_CAPATH, folder);
    if (const char* proxy = std::getenv("X509_USER_PROXY")) {
        curl_easy_setopt(handle.curl, CURLOPT_SSLCERT, proxy);
        curl_easy_setopt(handle.curl, CURLOPT_SSLKEY, proxy);
    }
    curl_easy_setopt(handle.curl, CURLOPT_URL, address.c_str());
    curl_easy_setopt(handle.curl, CURLOPT_HTTPHEADER, handle.headers);
    curl_easy_setopt(handle.curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(handle.curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    curl_easy_setopt(handle.curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(handle.curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(handle.curl, CURLOPT_TIMEOUT, kTimeoutSeconds);
    curl_easy_setopt(handle.curl, CURLOPT_NOSIGNAL, 1L);

    const CURLcode code = curl_easy_perform(handle.curl);
    if (code != CURLE_OK) throw ServerError(url + ": " + curl_easy_strerror(code), 0);
    long status = 0;
    curl_easy_getinfo(handle.curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) throw ServerError(reason(answer) + " (status " + std::to_string(status) + ")", status);

    tfaaspb::Predictions predictions;
    if (!predictions.ParseFromString(answer)) throw ServerError("the answer is not a tfaaspb.Predictions", status);
    std::vector<Probability> result;
    for (const auto& found : predictions.prediction()) result.emplace_back(found.label(), found.probability());
    return result;
}

}  // namespace mlaas4hep
