;; Loops for ever by tail calls, a feature that handlers are not given: they would be a loop without a head.
;; want: refused: 
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func $again (result i32) (return_call $again))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (call $again)))
