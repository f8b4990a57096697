#include "tfaas_client.hpp"

#include <curl/curl.h>

#include <cstdlib>
#include <memory>
#include <mutex>

#include "tfaas.pb.h"

namespace mlaas4hep {
namespace {

constexpr long kTimeoutSeconds = 30;

std::size_t append(char* data, std::size_t size, std::size_t count, void* target) {
    static_cast<std::string*>(target)->append(data, size * count);
    return size * count;
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

    tfaaspb::Row row;
    row.set_model(model);
    for (const auto& name : attributes) row.add_key(name);
    for (float value : values) row.add_value(value);
    const std::string body = row.SerializeAsString();

    Handle handle;
    if (!handle.curl) throw ServerError("libcurl cannot be used", 0);
    std::string answer;
    const std::string address = url + "/proto";
    handle.header("Content-Type: application/x-protobuf");
    if (const char* token = std::getenv("BEARER_TOKEN")) handle.header(std::string("Authorization: Bearer ") + token);
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
    if (status != 200) throw ServerError(answer, status);

    tfaaspb::Predictions predictions;
    if (!predictions.ParseFromString(answer)) throw ServerError("the answer is not a tfaaspb.Predictions", status);
    std::vector<Probability> result;
    for (const auto& found : predictions.prediction()) result.emplace_back(found.label(), found.probability());
    return result;
}

}  // namespace mlaas4hep
