// tfaas_predict URL MODEL NAME=VALUE...   prints one line a class: its name and probability
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <limits>

#include "tfaas_client.hpp"

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: " << argv[0] << " URL MODEL NAME=VALUE...\n";
        return 2;
    }
    std::vector<std::string> names;
    std::vector<float> values;
    for (int i = 3; i < argc; ++i) {
        const std::string pair = argv[i];
        const auto at = pair.rfind('=');
        char* end = nullptr;
        const float value = at == std::string::npos ? 0.0F : std::strtof(pair.c_str() + at + 1, &end);
        if (end == nullptr || *end != '\0' || end == pair.c_str() + at + 1) {
            std::cerr << "error: " << pair << ": not NAME=VALUE\n";
            return 2;
        }
        names.push_back(pair.substr(0, at));
        values.push_back(value);
    }
    try {
        std::cout << std::setprecision(std::numeric_limits<float>::max_digits10);
        for (const auto& [name, probability] : mlaas4hep::predict(argv[1], argv[2], names, values))
            std::cout << name << ' ' << probability << '\n';
    } catch (const mlaas4hep::ServerError& error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
