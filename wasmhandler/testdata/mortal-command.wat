;; As mortal.wat, a command: it starts when the first random byte is below 64.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $born
    (drop (call $random_get (i32.const 16) (i32.const 1)))
    (if (i32.ge_u (i32.load8_u (i32.const 16)) (i32.const 64)) (then unreachable)))
  (start $born)
  (func (export "_start")))
