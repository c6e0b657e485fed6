;; Asks for a mebibyte of random bytes, for ever: work that the host does.
;; want: 8 faults (fuel)
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 32)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again
      (drop (call $random (i32.const 262144) (i32.const 1048576)))
      (br $again))
    unreachable))
