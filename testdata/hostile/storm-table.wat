;; Fills, copies and initialises a table of 60,000 elements over and over.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (table $t 60000 funcref)
  (elem $e func $f $f $f $f $f $f $f $f)
  (func $f)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again
      (table.fill $t (i32.const 0) (ref.func $f) (i32.const 60000))
      (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 59999))
      (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 8))
      (br $again))
    unreachable))
