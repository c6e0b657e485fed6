;; Waits for a second, for ever. Each wait is over at once, and the clock has not moved.
;; want: 8 faults (other)
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again
      (drop (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 16)))
      (br $again))
    unreachable))
