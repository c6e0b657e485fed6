;; Loops for ever by br_table, which goes back to the loop's head from inside other blocks.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32 i32 i32 i32) (result i32)
    (loop $again
      (block $a
        (block $b
          (br_table $a $b $again (i32.load8_u (local.get $req))))
        (br $again))
      (br $again))
    unreachable))
