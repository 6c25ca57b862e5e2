// The one error of the native side: a stable code and a sentence. The addon turns it into a SpinegradError.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace spinegrad {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace spinegrad
