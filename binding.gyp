# For prebuildify, which only knows node-gyp: hands the build to CMakeLists.txt and asks for the libraries to ship.
{
  'targets': [{
    'target_name': 'spinegrad',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake',
      'inputs': ['CMakeLists.txt'],
      'outputs': ['build/Release/spinegrad.node'],
      'action': ['npx', 'cmake-js', 'build', '--out', 'build/cmake', '--CDSPINEGRAD_BUNDLE=ON']
    }]
  }]
}
