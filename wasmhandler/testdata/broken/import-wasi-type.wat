;; want: its import wasi_snapshot_preview1.clock_time_get is (i32, i32, i32) -> (i32) and must be (i32, i64, i32) -> (i32)
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
