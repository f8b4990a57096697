// Predictions from an inference server over protobuf, for C++ programs.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mlaas4hep {

// The server refused, or did not answer. `status` is the HTTP status, 0 without an answer.
class ServerError : public std::runtime_error {
public:
    ServerError(const std::string& what, long status) : std::runtime_error(what), status(status) {}
    const long status;
};

using Probability = std::pair<std::string, float>;  // class name, probability

// Scores of one event.
//   url:         of the server, e.g. http://localhost:8083
//   model:       its name
//   attributes:  names of branches; entries of a jagged one as Jet_pt[0], Jet_pt[1], ...; in any order
//   values:      raw values, one for each attribute; NaN is missing, and an empty list is NaN as its entry 0
// A bearer token is taken from the environment variable BEARER_TOKEN and sent over HTTPS or to this machine only; an
// X.509 proxy from X509_USER_PROXY, certificate authorities from X509_CERT_DIR. May be called from several threads.
// Throws ServerError.
std::vector<Probability> predict(const std::string& url, const std::string& model,
                                 const std::vector<std::string>& attributes, const std::vector<float>& values);

}  // namespace mlaas4hep
