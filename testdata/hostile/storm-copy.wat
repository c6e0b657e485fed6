;; Copies 16 MiB of memory onto overlapping memory over and over.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 512)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again
      (memory.copy (i32.const 262145) (i32.const 262144) (i32.const 16777216))
      (memory.copy (i32.const 262144) (i32.const 262145) (i32.const 16777216))
      (br $again))
    unreachable))
