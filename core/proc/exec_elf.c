/* SPDX-License-Identifier: MIT */
/*
 * ELF programs of the machine's class: a new address space with the program, its interpreter and the initial stack
 * (System V ABI, gABI chapters 4 and 5; psABI i386 and x86_64, "Process Initialization"; getauxval(3); ld.so(8)).
 *
 * Everything is built in an mm that nobody runs in yet, so that each error goes back to the caller of execve(2). No field of a file is trusted.
 */
#include <hal/cpu.h>
#include <maestro/abi.h>
#include <maestro/elf.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/slab.h>

#include "exec_priv.h"

#define ELIBBAD 80
#define MAX_PHDRS_SIZE 65536u
#define CLOCK_TICKS 100

/* A file's program headers. */
struct image {
	struct file *file;
	const struct abi_elf_ehdr *ehdr;
	struct abi_elf_phdr *ph;
	unsigned n;
	uaddr_t min, max; /* page-aligned span of its PT_LOADs */
};

/* Whether [off, off + len) can be a part of a file. */
static bool is_range(u64 off, u64 len)
{
	return len <= S64_MAX && off <= S64_MAX - len;
}

static kerr_t read_exact(struct file *f, void *buf, size_t n, loff_t pos)
{
	ssize_t got = file_read_kernel(f, buf, n, pos);

	if (got < 0)
		return kerr_of(got);
	return (size_t)got == n ? KERR(0) : KERR(ENOEXEC);
}

static bool is_ours(const struct abi_elf_ehdr *e)
{
	return !memcmp(e->ident, ELF_MAGIC, 4) && e->ident[4] == ABI_ELF_CLASS && e->ident[5] == 1 && e->machine == HAL_ELF_MACHINE &&
	       (e->type == ET_EXEC || e->type == ET_DYN);
}

/* Checks each PT_LOAD and computes the span. */
static kerr_t check_loads(struct image *im)
{
	im->min = ~0UL;
	im->max = 0;
	for (unsigned i = 0; i < im->n; i++) {
		const struct abi_elf_phdr *p = &im->ph[i];
		uaddr_t end;

		if (p->type != PT_LOAD)
			continue;
		if (p->filesz > p->memsz || p->vaddr > HAL_USER_END || p->memsz > HAL_USER_END - p->vaddr)
			return KERR(ENOEXEC);
		if (p->filesz && ((p->vaddr ^ p->offset) & (PAGE_SIZE - 1)))
			return KERR(ENOEXEC);
		if (!is_range(p->offset, p->filesz))
			return KERR(ENOEXEC);
		if (!p->memsz)
			continue;
		end = ALIGN_UP((uaddr_t)(p->vaddr + p->memsz), PAGE_SIZE);
		im->min = MIN(im->min, (uaddr_t)ALIGN_DOWN(p->vaddr, PAGE_SIZE));
		im->max = MAX(im->max, end);
	}
	return im->max ? KERR(0) : KERR(ENOEXEC);
}

static kerr_t image_read(struct image *im, struct file *f, const struct abi_elf_ehdr *e)
{
	size_t size;
	kerr_t err;

	im->file = f;
	im->ehdr = e;
	im->n = e->phnum;
	size = (size_t)im->n * sizeof(*im->ph);
	if (e->phentsize != sizeof(*im->ph) || !im->n || size > MAX_PHDRS_SIZE || !is_range(e->phoff, size))
		return KERR(ENOEXEC);
	im->ph = kmalloc(size, GFP_KERNEL);
	if (!im->ph)
		return KERR(ENOMEM);
	err = read_exact(f, im->ph, size, (loff_t)e->phoff);
	if (!err)
		err = check_loads(im);
	if (err)
		kfree(im->ph);
	return err;
}

static kerr_t map(struct mm *mm, struct file *f, uaddr_t addr, size_t len, unsigned prot, pgoff_t pgoff)
{
	long ret = mm_map(mm, f, addr, len, prot, MAP_PRIVATE | MAP_FIXED | (f ? 0 : MAP_ANONYMOUS), pgoff, 0);

	return IS_ERR_VALUE(ret) ? kerr_of(ret) : KERR(0);
}

/* The bytes of a page behind the file's part of a segment are zero. */
static kerr_t clear_tail(struct mm *mm, uaddr_t from)
{
	size_t off = from & (PAGE_SIZE - 1);
	struct page *pg;
	kerr_t err;
	u8 *p;

	if (!off)
		return KERR(0);
	err = mm_get_page(mm, from - off, true, &pg);
	if (err)
		return err;
	p = page_map(pg);
	memset(p + off, 0, PAGE_SIZE - off);
	page_unmap(p);
	page_put(pg);
	return KERR(0);
}

static kerr_t map_segment(struct mm *mm, struct file *f, const struct abi_elf_phdr *p, uaddr_t bias)
{
	unsigned prot = (p->flags & PF_R ? PROT_READ : 0) | (p->flags & PF_W ? PROT_WRITE : 0) | (p->flags & PF_X ? PROT_EXEC : 0);
	uaddr_t start = ALIGN_DOWN((uaddr_t)p->vaddr + bias, PAGE_SIZE);
	uaddr_t file_end = (uaddr_t)p->vaddr + bias + p->filesz;
	uaddr_t end = ALIGN_UP((uaddr_t)p->vaddr + bias + p->memsz, PAGE_SIZE);
	uaddr_t file_pages_end = p->filesz ? ALIGN_UP(file_end, PAGE_SIZE) : start;
	kerr_t err = KERR(0);

	if (p->filesz)
		err = map(mm, f, start, file_pages_end - start, prot, (pgoff_t)(p->offset >> PAGE_SHIFT));
	if (!err && p->filesz && p->memsz > p->filesz && (p->flags & PF_W))
		err = clear_tail(mm, file_end);
	if (!err && end > file_pages_end)
		err = map(mm, NULL, file_pages_end, end - file_pages_end, prot, 0);
	return err;
}

static kerr_t map_image(struct mm *mm, const struct image *im, uaddr_t bias)
{
	for (unsigned i = 0; i < im->n; i++) {
		kerr_t err;

		if (im->ph[i].type != PT_LOAD || !im->ph[i].memsz)
			continue;
		err = map_segment(mm, im->file, &im->ph[i], bias);
		if (err)
			return err;
	}
	return KERR(0);
}

/* Room for a position-independent image in the map area: right below mmap_base if that is free. */
static kerr_t find_room(struct mm *mm, const struct image *im, uaddr_t *bias)
{
	size_t len = im->max - im->min;
	uaddr_t at = ALIGN_DOWN(mm->mmap_base - len, PAGE_SIZE);
	struct vma *v;
	bool is_free;
	long ret;

	if (len < mm->mmap_base && at >= PAGE_SIZE) {
		rwsem_read_lock(&mm->lock);
		v = vma_find(mm, at);
		is_free = !v || v->start >= at + len;
		rwsem_read_unlock(&mm->lock);
		if (is_free) {
			*bias = at - im->min;
			return KERR(0);
		}
	}
	ret = mm_map(mm, NULL, 0, len, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0, 0);
	if (IS_ERR_VALUE(ret))
		return kerr_of(ret);
	*bias = (uaddr_t)ret - im->min;
	return KERR(0);
}

/* Whether [min, max) moved by bias lies in user space. */
static bool fits(const struct image *im, uaddr_t bias)
{
	uaddr_t start = im->min + bias, end = im->max + bias;

	return start >= HAL_USER_START && end > start && end <= HAL_USER_END;
}

/* ---------------------------------------------------------------- the interpreter */

static kerr_t read_interp_name(struct file *f, const struct abi_elf_phdr *p, char *buf)
{
	kerr_t err;

	if (p->filesz > PATH_MAX || p->filesz < 2 || !is_range(p->offset, p->filesz))
		return KERR(ENOEXEC);
	err = read_exact(f, buf, p->filesz, (loff_t)p->offset);
	if (err)
		return err;
	return buf[p->filesz - 1] ? KERR(ENOEXEC) : KERR(0);
}

static kerr_t open_interp(struct file *f, const struct abi_elf_phdr *p, struct file **out)
{
	char *name = path_buf_alloc();
	kerr_t err;

	if (!name)
		return KERR(ENOMEM);
	err = read_interp_name(f, p, name);
	if (!err)
		err = exec_open(AT_FDCWD, name, LOOKUP_FOLLOW, out);
	path_buf_free(name);
	return err;
}

/* Maps the interpreter; its entry becomes the program's. */
static kerr_t load_interp(struct exec *x, struct file *f)
{
	struct abi_elf_ehdr e;
	struct image im;
	uaddr_t bias = 0;
	kerr_t err = read_exact(f, &e, sizeof(e), 0);

	if (err)
		return err == KERR(ENOEXEC) ? KERR(ELIBBAD) : err;
	if (!is_ours(&e))
		return KERR(ELIBBAD);
	err = image_read(&im, f, &e);
	if (err)
		return err == KERR(ENOEXEC) ? KERR(ELIBBAD) : err;
	if (e.type == ET_DYN)
		err = find_room(x->mm, &im, &bias);
	if (!err && !fits(&im, bias))
		err = KERR(ELIBBAD);
	if (!err)
		err = map_image(x->mm, &im, bias);
	kfree(im.ph);
	if (err)
		return err;
	x->base = bias;
	x->entry = e.entry + bias;
	return KERR(0);
}

/* ---------------------------------------------------------------- the program */

static kerr_t choose_bias(struct exec *x, const struct image *im, bool has_interp, uaddr_t *bias)
{
	*bias = 0;
	if (im->ehdr->type == ET_EXEC)
		return KERR(0);
	if (!has_interp) /* a loader run by hand: keep the low area for what it will load */
		return find_room(x->mm, im, bias);
	*bias = ABI_ELF_DYN_BASE;
	if (mm_randomizes())
		*bias += (uaddr_t)(random_u32() % ABI_DYN_RANDOM_PAGES) << PAGE_SHIFT;
	*bias -= im->min;
	return KERR(0);
}

static void note_segments(struct exec *x, const struct image *im, uaddr_t bias)
{
	struct mm *mm = x->mm;
	uaddr_t brk = 0;

	mm->start_code = ~0UL;
	mm->end_code = mm->start_data = mm->end_data = 0;
	for (unsigned i = 0; i < im->n; i++) {
		const struct abi_elf_phdr *p = &im->ph[i];
		uaddr_t start = (uaddr_t)p->vaddr + bias;

		if (p->type == PT_PHDR)
			x->phdr = start;
		if (p->type != PT_LOAD)
			continue;
		if (!x->phdr && im->ehdr->phoff >= p->offset && im->ehdr->phoff < p->offset + p->filesz)
			x->phdr = start + (uaddr_t)(im->ehdr->phoff - p->offset);
		if (p->flags & PF_X) {
			mm->start_code = MIN(mm->start_code, start);
			mm->end_code = MAX(mm->end_code, start + (uaddr_t)p->filesz);
		}
		mm->start_data = MAX(mm->start_data, start);
		mm->end_data = MAX(mm->end_data, start + (uaddr_t)p->filesz);
		brk = MAX(brk, start + (uaddr_t)p->memsz);
	}
	brk = ALIGN_UP(brk, PAGE_SIZE);
	if (mm_randomizes() > 1) {
		uaddr_t random = brk + ((uaddr_t)(random_u32() % ABI_BRK_RANDOM_PAGES) << PAGE_SHIFT);

		if (random > brk && random < mm->mmap_base)
			brk = random;
	}
	mm->start_brk = mm->brk = brk;
}

static const struct abi_elf_phdr *find_phdr(const struct image *im, u32 type)
{
	for (unsigned i = 0; i < im->n; i++)
		if (im->ph[i].type == type)
			return &im->ph[i];
	return NULL;
}

static kerr_t load_program(struct exec *x, struct image *im, struct file *interp)
{
	const struct abi_elf_phdr *stack = find_phdr(im, PT_GNU_STACK);
	uaddr_t top, bias;
	kerr_t err;

	err = mm_alloc(&x->mm);
	if (err)
		return err;
	err = mm_setup_stack(x->mm, rlimit_get(RLIMIT_STACK), !stack || (stack->flags & PF_X), &top);
	if (err)
		return err;
	x->mm->start_stack = top;
	err = choose_bias(x, im, interp != NULL, &bias);
	if (err)
		return err;
	if (!fits(im, bias))
		return KERR(ENOEXEC);
	err = map_image(x->mm, im, bias);
	if (err)
		return err;
	note_segments(x, im, bias);
	x->load_bias = bias;
	x->program_entry = x->entry = (uaddr_t)im->ehdr->entry + bias;
	x->base = 0;
	if (interp)
		err = load_interp(x, interp);
	if (err)
		return err;
	if (x->entry >= HAL_USER_END)
		return KERR(ENOEXEC);
	return abi_vdso_map(x->mm);
}

/* ---------------------------------------------------------------- the stack */

static void aux(struct mm *mm, unsigned long type, unsigned long val)
{
	if (mm->auxc + 2 > ARRAY_SIZE(mm->auxv))
		return;
	mm->auxv[mm->auxc++] = type;
	mm->auxv[mm->auxc++] = val;
}

static void fill_auxv(struct exec *x, uaddr_t execfn, uaddr_t random, uaddr_t platform)
{
	struct mm *mm = x->mm;

	mm->auxc = 0;
	if (mm->vdso) {
		if (abi_vdso_sysinfo(mm))
			aux(mm, AT_SYSINFO, abi_vdso_sysinfo(mm));
		aux(mm, AT_SYSINFO_EHDR, mm->vdso);
	}
	aux(mm, AT_HWCAP, HAL_HWCAP);
	aux(mm, AT_PAGESZ, PAGE_SIZE);
	aux(mm, AT_CLKTCK, CLOCK_TICKS);
	aux(mm, AT_PHDR, x->phdr);
	aux(mm, AT_PHENT, sizeof(struct abi_elf_phdr));
	aux(mm, AT_PHNUM, x->ehdr.phnum);
	aux(mm, AT_BASE, x->base);
	aux(mm, AT_FLAGS, 0);
	aux(mm, AT_ENTRY, x->program_entry);
	aux(mm, AT_UID, x->cred->uid);
	aux(mm, AT_EUID, x->cred->euid);
	aux(mm, AT_GID, x->cred->gid);
	aux(mm, AT_EGID, x->cred->egid);
	aux(mm, AT_SECURE, x->secure);
	aux(mm, AT_RANDOM, random);
	aux(mm, AT_HWCAP2, 0);
	aux(mm, AT_EXECFN, execfn);
	aux(mm, AT_PLATFORM, platform);
	aux(mm, AT_NULL, 0);
}

/* Where the strings lie: those of scripts, then the caller's, without argv[0] if they replace it. */
struct layout {
	uaddr_t pre, args; /* args: of the string with offset 0, whether it is stored or not */
	unsigned skip;
};

/* argc, argv[], NULL, envp[], NULL, auxv[] at sp, as the psABI draws it. */
static kerr_t store_table(struct exec *x, uaddr_t sp, const struct layout *l, size_t words)
{
	const struct exec_args *a = &x->args, *pre = &x->pre;
	unsigned long *w = kmalloc(words * sizeof(*w), GFP_KERNEL);
	size_t k = 0;
	ssize_t put;

	if (!w)
		return KERR(ENOMEM);
	w[k++] = pre->count + x->argc - l->skip;
	for (unsigned i = 0; i < pre->count; i++)
		w[k++] = l->pre + pre->offset[i];
	for (unsigned i = l->skip; i < x->argc; i++)
		w[k++] = l->args + a->offset[i];
	w[k++] = 0;
	for (unsigned i = 0; i < x->envc; i++)
		w[k++] = l->args + a->offset[x->argc + i];
	w[k++] = 0;
	for (unsigned i = 0; i < x->mm->auxc; i++)
		w[k++] = (unsigned long)x->mm->auxv[i];
	DEBUG_ASSERT(k <= words);
	put = mm_access(x->mm, sp, w, k * sizeof(*w), true);
	kfree(w);
	return put == (ssize_t)(k * sizeof(unsigned long)) ? KERR(0) : KERR(EFAULT);
}

static kerr_t build_stack(struct exec *x, uaddr_t *out)
{
	const struct exec_args *a = &x->args;
	struct mm *mm = x->mm;
	size_t words = 1 + x->pre.count + x->argc + 1 + x->envc + 1 + ARRAY_SIZE(mm->auxv), skipped;
	struct layout l;
	uaddr_t low, sp;
	struct {
		u8 random[16];
		char platform[16];
	} small;
	kerr_t err;

	/* The name comes last in args, so offset[argc] and offset[1] exist. */
	l.skip = x->pre.count ? 1 : 0;
	skipped = l.skip ? a->offset[1] : 0;
	l.pre = ALIGN_DOWN(mm->start_stack - sizeof(void *) - (a->bytes - skipped) - x->pre.bytes, sizeof(void *));
	l.args = l.pre + x->pre.bytes - skipped;
	mm->arg_start = l.pre;
	mm->arg_end = mm->env_start = l.args + a->offset[x->argc];
	mm->env_end = l.args + a->offset[a->count - 1];
	err = exec_args_store(&x->pre, 0, mm, l.pre);
	if (!err)
		err = exec_args_store(a, skipped, mm, l.args + skipped);
	if (err)
		return err;
	low = ALIGN_DOWN(l.pre - sizeof(small), 16UL);
	if (mm_randomizes())
		low -= (random_u32() & 0x1ff) << 4;
	random_bytes(small.random, sizeof(small.random));
	strlcpy(small.platform, HAL_PLATFORM, sizeof(small.platform));
	if (mm_access(mm, low, &small, sizeof(small), true) != (ssize_t)sizeof(small))
		return KERR(EFAULT);
	fill_auxv(x, l.args + a->offset[a->count - 1], low, low + offsetof(__typeof__(small), platform));
	sp = ALIGN_DOWN(low - words * sizeof(unsigned long), 16UL);
	err = store_table(x, sp, &l, words);
	if (err)
		return err;
	mm->start_stack = sp;
	*out = sp;
	return KERR(0);
}

kerr_t exec_elf_load(struct exec *x, uaddr_t *sp)
{
	const struct abi_elf_phdr *p;
	struct file *interp = NULL;
	struct image im;
	kerr_t err;

	x->ehdr = x->head_ehdr;
	if (!is_ours(&x->ehdr) || !x->file->ops->mmap)
		return KERR(ENOEXEC);
	err = image_read(&im, x->file, &x->ehdr);
	if (err)
		return err;
	p = find_phdr(&im, PT_INTERP);
	if (p)
		err = open_interp(x->file, p, &interp);
	if (!err)
		err = load_program(x, &im, interp);
	if (!err)
		err = build_stack(x, sp);
	if (interp)
		exe_file_put(interp);
	kfree(im.ph);
	if (err && x->mm) {
		mm_put_user(x->mm);
		x->mm = NULL;
	}
	return err;
}
