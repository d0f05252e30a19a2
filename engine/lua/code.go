package lua

type opcode uint8

// An instruction is op (8 bits), a (8), unused (16), b (16), c (16); or b and c together as a signed x (32).
// K operands are indices of constants, the others registers. A comparison is followed by an opJump that is taken
// if its outcome is a.
const (
	opMove     opcode = iota // R[a] = R[b]
	opLoadK                  // R[a] = K[x]
	opLoadNil                // R[a…b] = nil
	opUpvalue                // R[a] = U[b]
	opSetUp                  // U[b] = R[a]
	opGlobal                 // R[a] = G[K[x]]
	opSetGlob                // G[K[x]] = R[a]
	opIndex                  // R[a] = R[b][R[c]]
	opField                  // R[a] = R[b][K[c]], a string
	opElement                // R[a] = R[b][c]
	opSetIdx                 // R[a][R[b]] = R[c]
	opSetField               // R[a][K[b]] = R[c], a string
	opSelf                   // R[a+1] = R[b]; R[a] = R[b][K[c]]
	opTable                  // R[a] = {} with room for b and c
	opSetList                // R[a][x+i] = R[a+i], i from 1 to b (0: to the top); x is the next instruction
	opAdd                    // R[a] = R[b] + R[c]; in the order of binaryOp
	opSub
	opMul
	opDiv
	opMod
	opPow
	opAddK // R[a] = R[b] + K[c]
	opSubK
	opMulK
	opDivK
	opModK
	opPowK
	opUnm // R[a] = -R[b]
	opNot
	opLen
	opConcat // R[a] = R[b] .. … .. R[c]
	opJump   // pc += x
	opJumpIf // if R[a] then pc += x
	opJumpNo // if not R[a] then pc += x
	opEq     // R[b] == R[c]
	opEqK
	opLt
	opLe
	opLtK // R[b] < K[c], a number
	opLeK
	opGtK
	opGeK
	opCall    // R[a]… = R[a](R[a+1]…): b-1 arguments (0: to the top), c-1 results (0: all, up to the top)
	opTail    // return R[a](…)
	opReturn  // return R[a]…: b-1 values (0: to the top)
	opForPrep // numeric for, state in R[a…a+2], variable in R[a+3]; pc += x
	opForLoop
	opTForLoop // R[a+3]… = R[a](R[a+1], R[a+2]), c variables
	opTForTest // if R[a+3] is not nil then R[a+2] = R[a+3], pc += x
	opClosure  // R[a] = closure of P[x]
	opClose    // close the upvalues from R[a] on
	opVararg   // R[a]… = …, b-1 values (0: all)
)

func encode(op opcode, a, b, c int) uint64 {
	return uint64(op) | uint64(uint8(a))<<8 | uint64(uint16(b))<<32 | uint64(uint16(c))<<48
}

func encodeX(op opcode, a, x int) uint64 {
	return uint64(op) | uint64(uint8(a))<<8 | uint64(uint32(int32(x)))<<32
}

// Proto is a compiled function. It is immutable, and any number of States may run it.
type Proto struct {
	code     []uint64
	lines    []int32
	k        []Value
	hashes   []uint32 // of the strings in k
	protos   []*Proto
	upvalues []upvalueAt
	operands map[int32][2]operand // by instruction: how its operands are called, for error messages
	params   int
	vararg   bool
	stack    int // registers
	chunk    string
	source   string
	line     int // of its definition; 0: main chunk
}

type upvalueAt struct {
	name  string
	local bool // a register of the enclosing function, else an upvalue of it
	index int
}

// operand is how an error message calls a value: local 'x'.
type operand struct{ kind, name string }

// Source is the chunk's name as it was given to Compile.
func (p *Proto) Source() string { return p.source }
