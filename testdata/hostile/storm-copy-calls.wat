;; Fills and copies memory in functions without a loop, which a loop calls.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 512)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func $work (param $n i32)
    (memory.fill (i32.const 262144) (local.get $n) (local.get $n))
    (memory.copy (i32.const 262144) (i32.const 0) (local.get $n)))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again (call $work (i32.const 33292288)) (br $again))
    unreachable))
