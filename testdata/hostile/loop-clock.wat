;; Waits for the clock to move, which stands still while a datagram is answered.
;; want: 8 faults (fuel)
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 16)))
    (loop $wait
      (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 24)))
      (br_if $wait (i64.eq (i64.load (i32.const 16)) (i64.load (i32.const 24)))))
    (i32.const 0)))
