;; want: start: it used up its fuel, 1000000 units (Config.StartFuel) (in wasi_snapshot_preview1.sched_yield < boot)
(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 4)
  (func $boot (loop $for_ever (drop (call $yield)) (br $for_ever)))
  (start $boot)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
