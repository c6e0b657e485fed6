;; want: its _start is () -> (i32) and must be () -> ()
(module
  (memory (export "memory") 4)
  (func (export "_start") (result i32) (i32.const 0)))
