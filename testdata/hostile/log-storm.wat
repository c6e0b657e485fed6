;; Logs all of its memory as one line, for ever.
;; want: 8 faults (fuel); 100 log lines, more dropped
(module
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 512)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (memory.fill (i32.const 0) (i32.const 0x61) (i32.const 65536))
    (loop $again
      (call $log (i32.const 8) (i32.const 0) (i32.const 33554432))
      (br $again))
    unreachable))
