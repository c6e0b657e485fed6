;; Traps in whatever it is asked, once it is loaded.
;; want: configure: fault (unreachable); 8 faults (unreachable); is_response: 8 of 8, 8 faults (unreachable); idle: 1 fault (unreachable)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_configure") (param i32 i32) (result i32) unreachable)
  (func (export "retort_v1_is_response") (param i32 i32 i32) (result i32) unreachable)
  (func (export "retort_v1_idle") unreachable)
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) unreachable))
