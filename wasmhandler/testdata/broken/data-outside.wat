;; want: start: data[0]: out of bounds memory access
(module
  (memory (export "memory") 4)
  (data (i32.const 262143) "xx")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
