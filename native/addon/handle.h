// Native objects in JavaScript are externals, which the environment registers until the collector frees them. A handle
// of another type or another addon, or any other value, is an error and never a crash. Node-API's type tags would be
// slower: each check compares BigInts of a private property.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "native/engine/error.h"

namespace spinegrad::addon {

/// Each wrapped type specializes this with a name for messages. The address of the name identifies the type.
template <class T>
struct HandleType;

/// The handles of one environment, each with the name of its type.
using Handles = std::unordered_map<const void*, const char*>;

const std::shared_ptr<Handles>& handlesOf(napi_env env);

/// The collector destroys `native` on the JS thread.
template <class T>
napi_value wrap(napi_env env, T native) {
  struct Owned {
    T native;
    std::shared_ptr<Handles> handles;
  };
  auto* owned = new Owned{std::move(native), handlesOf(env)};
  owned->handles->emplace(&owned->native, HandleType<T>::name);
  const auto finalize = [](napi_env, void*, void* hint) {
    auto* collected = static_cast<Owned*>(hint);
    collected->handles->erase(&collected->native);
    delete collected;
  };
  napi_value external;
  napi_create_external(env, &owned->native, finalize, owned, &external);
  return external;
}

/// Null if `value` has another type.
template <class T>
T* find(napi_env env, napi_value value) {
  void* native = nullptr;
  if (napi_get_value_external(env, value, &native) != napi_ok) return nullptr;
  const Handles& handles = *handlesOf(env);
  const auto known = handles.find(native);
  return known != handles.end() && known->second == HandleType<T>::name ? static_cast<T*>(native) : nullptr;
}

template <class T>
T& unwrap(napi_env env, napi_value value) {
  if (T* native = find<T>(env, value)) return *native;
  throw Error("ERR_INVALID_HANDLE", std::string("expected the native handle of a ") + HandleType<T>::name);
}

}  // namespace spinegrad::addon
