;; Has an export of a name that the host uses for its own accounts of fuel.
;; want: refused: 
(module
  (memory (export "memory") 4)
  (global (export "retort.meter.fuel") (mut i64) (i64.const 0x7fffffffffffffff))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop (br 0)) unreachable))
