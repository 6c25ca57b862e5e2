// The error of native code: a stable code and a message. The addon converts it to a SpinegradError.
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
