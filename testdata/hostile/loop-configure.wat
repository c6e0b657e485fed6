;; Loops for ever when it is configured.
;; want: configure: fault (fuel); 8 replies of ""
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_configure") (param i32 i32) (result i32) (loop (br 0)) unreachable)
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
