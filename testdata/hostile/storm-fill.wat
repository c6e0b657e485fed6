;; Fills 32 MiB of memory over and over: one instruction that takes milliseconds.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 512)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again
      (memory.fill (i32.const 262144) (i32.const 7) (i32.const 33292288))
      (br $again))
    unreachable))
