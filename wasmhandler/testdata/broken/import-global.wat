;; want: it imports what no handler is given: env.__stack_pointer (a global), env.table (a table)
(module
  (import "env" "__stack_pointer" (global (mut i32)))
  (import "env" "table" (table 1 funcref))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
