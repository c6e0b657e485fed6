;; Logs the request from its fifth byte on, at the level that the first four say.
(module
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param $len i32) (param i32 i32 i32) (result i32)
    (call $log (i32.load (local.get $req))
      (i32.add (local.get $req) (i32.const 4)) (i32.sub (local.get $len) (i32.const 4)))
    (i32.const 0)))
