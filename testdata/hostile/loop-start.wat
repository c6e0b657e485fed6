;; Loops for ever in its start function, which runs before anything else can be asked of it.
;; want: fault in start: fuel
(module
  (memory (export "memory") 4)
  (func $for-ever (loop (br 0)))
  (start $for-ever)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
