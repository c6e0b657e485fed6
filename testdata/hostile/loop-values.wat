;; Loops for ever with values on the stack: a loop whose block has parameters and results.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (i32.const 0)
    (i64.const 1)
    (loop $again (param i32 i64) (result i32)
      (i64.add (i64.const 1))
      (br $again))))
