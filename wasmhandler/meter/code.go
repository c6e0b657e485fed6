package meter

// code is instructions that are being written.
type code []byte

// do appends instructions without immediates.
func (c *code) do(ops ...opcode) {
	for _, op := range ops {
		*c = appendOp(*c, op)
	}
}

// at appends an instruction and the indices that follow it.
func (c *code) at(op opcode, indices ...uint32) {
	*c = appendOp(*c, op)
	for _, i := range indices {
		*c = appendU32(*c, i)
	}
}

// number appends a constant, or the beginning of a block and its type.
func (c *code) number(op opcode, value int64) {
	*c = appendSigned(appendOp(*c, op), value)
}

// get appends local.get for some locals.
func (c *code) get(locals ...uint32) {
	for _, l := range locals {
		c.at(opLocalGet, l)
	}
}
