/* SPDX-License-Identifier: MIT */
/*
 * The classic BPF machine (McCanne and Jacobson, "The BSD Packet Filter"; seccomp(2), "Filters"): accumulator A, index X, 16 words of memory, jumps
 * forward only. A program is checked once, so that running it needs no test but a division's.
 */
#include <maestro/lib.h>
#include <maestro/slab.h>

#include <maestro/seccomp_bpf.h>

enum { LD, LDX, ST, STX, ALU, JMP, RET, MISC };	    /* code & 7 */
enum { IMM = 0x00, ABS = 0x20, MEM = 0x60, LEN = 0x80 }; /* of a load: code & 0xe0; its size 0 is a word */
enum { ADD = 0x00, SUB = 0x10, MUL = 0x20, DIV = 0x30, OR = 0x40, AND = 0x50, LSH = 0x60, RSH = 0x70, NEG = 0x80, XOR = 0xa0 };
enum { JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40 };
enum { SRC_X = 0x08, RET_A = 0x10, TAX = 0x00, TXA = 0x80 };
#define WORDS 16u

static bool alu_ok(const struct bpf_insn *i)
{
	unsigned op = i->code & 0xf0;

	if (op == NEG)
		return i->code == (ALU | NEG);
	if (op != XOR && op > RSH)
		return false;
	if (i->code & SRC_X)
		return true;
	return op == DIV ? i->k != 0 : op == LSH || op == RSH ? i->k < 32 : true;
}

/* rest: instructions behind it */
static bool jump_ok(const struct bpf_insn *i, unsigned rest)
{
	unsigned op = i->code & 0xf0;

	if (op == JA)
		return i->code == (JMP | JA) && i->k < rest;
	return op <= JSET && i->jt < rest && i->jf < rest;
}

static bool load_ok(const struct bpf_insn *i, bool to_x)
{
	switch (i->code & ~7u) {
	case IMM:
	case LEN:
		return true;
	case ABS:
		return !to_x && i->k < sizeof(struct seccomp_data) && !(i->k & 3);
	case MEM:
		return i->k < WORDS;
	default:
		return false;
	}
}

static bool insn_ok(const struct bpf_insn *i, unsigned rest)
{
	if (i->code & 0xff00)
		return false;
	switch (i->code & 7) {
	case LD:
	case LDX:
		return load_ok(i, (i->code & 7) == LDX);
	case ST:
	case STX:
		return !(i->code & ~7u) && i->k < WORDS;
	case ALU:
		return alu_ok(i);
	case JMP:
		return jump_ok(i, rest);
	case RET:
		return i->code == RET || i->code == (RET | RET_A);
	default:
		return i->code == (MISC | TAX) || i->code == (MISC | TXA);
	}
}

/* A word is read only where each way there has written it. known: bit per word; reach[]: what is known at a jump's target, ~0 if none was seen yet. */
static bool memory_ok(const struct bpf_insn *insn, unsigned count, u16 *reach)
{
	u16 known = 0;

	memset(reach, 0xff, count * sizeof(*reach));
	for (unsigned pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &insn[pc];
		unsigned class = i->code & 7;

		known &= reach[pc];
		if (class == ST || class == STX) {
			known |= (u16)(1u << i->k);
		} else if (class <= LDX && (i->code & 0xe0) == MEM) {
			if (!(known & (1u << i->k)))
				return false;
		} else if (class == JMP && !(i->code & 0xf0)) {
			reach[pc + 1 + i->k] &= known;
			known = 0xffff;
		} else if (class == JMP) {
			reach[pc + 1 + i->jt] &= known;
			reach[pc + 1 + i->jf] &= known;
			known = 0xffff;
		}
	}
	return true;
}

kerr_t seccomp_bpf_check(const struct bpf_insn *insn, unsigned count)
{
	u16 *reach;
	bool ok;

	for (unsigned pc = 0; pc < count; pc++)
		if (!insn_ok(&insn[pc], count - pc - 1))
			return KERR(EINVAL);
	if ((insn[count - 1].code & 7) != RET)
		return KERR(EINVAL);
	reach = kmalloc(count * sizeof(*reach), GFP_KERNEL);
	if (!reach)
		return KERR(ENOMEM);
	ok = memory_ok(insn, count, reach);
	kfree(reach);
	return ok ? KERR(0) : KERR(EINVAL);
}

static bool jumps(unsigned op, u32 a, u32 b)
{
	switch (op) {
	case JEQ:
		return a == b;
	case JGT:
		return a > b;
	case JGE:
		return a >= b;
	default:
		return a & b;
	}
}

/* *ok false: a division by X, which is 0: the program ends with 0. */
static u32 compute(unsigned op, u32 a, u32 b, bool *ok)
{
	switch (op) {
	case ADD:
		return a + b;
	case SUB:
		return a - b;
	case MUL:
		return a * b;
	case DIV:
		*ok = b != 0;
		return b ? a / b : 0;
	case OR:
		return a | b;
	case AND:
		return a & b;
	case LSH:
		return a << (b & 31);
	case RSH:
		return a >> (b & 31);
	case XOR:
		return a ^ b;
	default:
		return -a; /* NEG */
	}
}

static u32 load(const struct bpf_insn *i, const u32 *words, const u32 *mem)
{
	switch (i->code & 0xe0) {
	case ABS:
		return words[i->k / 4];
	case MEM:
		return mem[i->k];
	case LEN:
		return sizeof(struct seccomp_data);
	default:
		return i->k;
	}
}

u32 seccomp_bpf_run(const struct bpf_insn *i, const struct seccomp_data *data)
{
	const u32 *words = (const u32 *)(const void *)data;
	u32 a = 0, x = 0, mem[WORDS];
	bool ok = true;

	for (;; i++) {
		u32 b = i->code & SRC_X ? x : i->k;

		switch (i->code & 7) {
		case LD:
			a = load(i, words, mem);
			break;
		case LDX:
			x = load(i, words, mem);
			break;
		case ST:
			mem[i->k] = a;
			break;
		case STX:
			mem[i->k] = x;
			break;
		case ALU:
			a = compute(i->code & 0xf0, a, b, &ok);
			if (!ok)
				return 0;
			break;
		case JMP:
			if (i->code & 0xf0)
				i += jumps(i->code & 0xf0, a, b) ? i->jt : i->jf;
			else
				i += i->k;
			break;
		case RET:
			return i->code & RET_A ? a : i->k;
		default:
			if (i->code & TXA)
				a = x;
			else
				x = a;
			break;
		}
	}
}
