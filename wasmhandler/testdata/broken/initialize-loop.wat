;; want: _initialize: it used up its fuel, 1000000 units (Config.StartFuel) (in spin < initialize)
(module
  (memory (export "memory") 4)
  (func $spin (loop $for_ever (br $for_ever)))
  (func $initialize (export "_initialize") (call $spin))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
