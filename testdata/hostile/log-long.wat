;; Logs lines of 64 KiB.
;; want: 8 replies of ""; 8 log lines
(module
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (memory.fill (i32.const 0) (i32.const 0x6c) (i32.const 65536))
    (call $log (i32.const 4) (i32.const 0) (i32.const 65536))
    (i32.const 0)))
