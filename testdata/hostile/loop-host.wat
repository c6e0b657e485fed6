;; Calls the host for ever: a host call costs more than an instruction.
;; want: 8 faults (fuel)
(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $next (drop (call $yield)) (br $next))
    unreachable))
