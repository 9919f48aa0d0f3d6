/* SPDX-License-Identifier: MIT */
/*
 * Core dumps as ELF files (gABI, chapter 5; core(5)): header, one PT_NOTE, a PT_LOAD for each area, the notes, and from the next page on the memory.
 *
 *   areas_collect: areas and what of each is kept (coredump_filter), the table of mapped files -> notes -> headers -> memory, page by page
 *
 * Notes as Linux orders them: of the thread that got the signal its status, then process, signal, auxiliary vector and files, then its other registers; then
 * those of each other thread. Their layouts are the ABI's (abi_core_*). Nobody but current uses the space: the other threads sleep.
 */
#include <abi/exec.h>
#include <abi/signal.h>
#include <hal/context.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>
#include <maestro/uaccess.h>

#include "core_priv.h"
#include "proc_priv.h"

#define NT_AUXV 6u
#define NT_SIGINFO 0x53494749u
#define NT_FILE 0x46494c45u
#define AREAS_MAX 0xfff0u /* e_phnum is 16 bits */
/* coredump_filter, core(5) */
enum { KEEP_ANON_PRIVATE = 1, KEEP_ANON_SHARED = 2, KEEP_FILE_PRIVATE = 4, KEEP_FILE_SHARED = 8, KEEP_ELF_HEADERS = 16 };

struct area {
	uaddr_t start, end;
	u32 flags;
	size_t keep; /* bytes of it in the dump */
	bool look;   /* its first page is kept if an ELF file begins there */
};
struct dump {
	struct core_out *out;
	struct area *area;
	unsigned count;
	unsigned long files;
	struct seq_buf table, names; /* NT_FILE: three words a file; then the names */
	struct seq_buf notes;
};

void core_note(struct seq_buf *s, const char *name, unsigned type, const void *data, size_t size)
{
	const u32 head[3] = { (u32)strlen(name) + 1, (u32)size, type };
	static const u8 zero[4];

	seq_write(s, head, sizeof(head));
	seq_write(s, name, head[0]);
	seq_write(s, zero, -head[0] & 3);
	seq_write(s, data, size);
	seq_write(s, zero, -size & 3);
}

/* ---------------------------------------------------------------- areas */

static bool is_elf_header(struct mm *mm, uaddr_t at)
{
	u8 magic[4];

	return mm_access(mm, at, magic, sizeof(magic), false) == sizeof(magic) && !memcmp(magic, ELF_MAGIC, sizeof(magic));
}

/* mm.lock held: memory is not read. */
static size_t bytes_kept(const struct vma *v, u32 filter, bool *look)
{
	size_t all = v->end - v->start;

	*look = false;
	if (v->ops && v->ops->name)
		return all; /* the vDSO: unwinders want it */
	if (v->flags & (VM_DONTDUMP | VM_PFNMAP))
		return 0;
	if (v->flags & VM_SHARED)
		return filter & (!v->file || !v->file->inode->nlink ? KEEP_ANON_SHARED : KEEP_FILE_SHARED) ? all : 0;
	if (v->has_anon && (filter & KEEP_ANON_PRIVATE))
		return all;
	if (!v->file)
		return 0;
	if (filter & KEEP_FILE_PRIVATE)
		return all;
	*look = (filter & KEEP_ELF_HEADERS) && !v->pgoff && (v->flags & VM_READ);
	return 0;
}

static void file_row(struct dump *d, const struct vma *v, const struct path *root, char *buf)
{
	const unsigned long row[3] = { v->start, v->end, (unsigned long)v->pgoff };
	bool unreachable;
	const char *name = path_text(&v->file->path, root, buf, PATH_MAX, &unreachable);

	if (!name)
		return;
	seq_write(&d->table, row, sizeof(row));
	seq_write(&d->names, name, strlen(name) + 1);
	d->files++;
}

static void area_add(struct dump *d, struct mm *mm, struct vma *v, const struct path *root, char *buf)
{
	struct area *a = &d->area[d->count++];

	*a = (struct area){ .start = v->start, .end = v->end, .flags = v->flags };
	a->keep = bytes_kept(v, mm->dump_filter, &a->look);
	if (v->file)
		file_row(d, v, root, buf);
}

static kerr_t areas_collect(struct dump *d, struct mm *mm)
{
	char *buf = path_buf_alloc();
	struct path root;
	struct vma *v;

	if (!buf)
		return KERR(ENOMEM);
	fs_ctx_get_root(&root);
	rwsem_read_lock(&mm->lock);
	if (mm->vma_count <= AREAS_MAX)
		d->area = kmalloc(MAX(mm->vma_count, 1u) * sizeof(*d->area), GFP_KERNEL);
	if (d->area)
		list_for_each(v, &mm->vma_list, list_node)
			area_add(d, mm, v, &root, buf);
	rwsem_read_unlock(&mm->lock);
	path_put(&root);
	path_buf_free(buf);
	for (unsigned i = 0; i < d->count; i++)
		if (d->area[i].look && is_elf_header(mm, d->area[i].start))
			d->area[i].keep = PAGE_SIZE;
	return d->area ? KERR(0) : KERR(ENOMEM);
}

/* ---------------------------------------------------------------- notes */

static void note_siginfo(struct dump *d, const struct siginfo *info)
{
	struct abi_siginfo si;

	siginfo_to_abi(&si, info);
	core_note(&d->notes, "CORE", NT_SIGINFO, &si, sizeof(si));
}

static void note_auxv(struct dump *d, const struct mm *mm)
{
	unsigned long words[ARRAY_SIZE(mm->auxv)];

	for (unsigned i = 0; i < mm->auxc; i++)
		words[i] = (unsigned long)mm->auxv[i];
	core_note(&d->notes, "CORE", NT_AUXV, words, mm->auxc * sizeof(words[0]));
}

static void note_files(struct dump *d)
{
	const unsigned long head[2] = { d->files, PAGE_SIZE };
	struct seq_buf all = { 0 };

	if (!d->files)
		return;
	seq_write(&all, head, sizeof(head));
	seq_write(&all, d->table.buf, d->table.len);
	seq_write(&all, d->names.buf, d->names.len);
	if (!all.failed)
		core_note(&d->notes, "CORE", NT_FILE, all.buf, all.len);
	seq_free(&all);
}

static void notes_build(struct dump *d, const struct core_state *c)
{
	struct core_thread *o;

	abi_core_status(&d->notes, c->dumper, c->info->signo, c->info);
	abi_core_process(&d->notes, c->dumper);
	note_siginfo(d, c->info);
	note_auxv(d, c->dumper->mm);
	note_files(d);
	abi_core_registers(&d->notes, c->dumper);
	list_for_each(o, &c->parked, node) {
		abi_core_status(&d->notes, o->task, c->info->signo, c->info);
		abi_core_registers(&d->notes, o->task);
	}
}

/* ---------------------------------------------------------------- writing */

static bool put(struct core_out *o, const void *data, size_t n)
{
	ssize_t done;

	if ((u64)o->pos + n > o->limit || sig_is_fatal_pending(hal_current()))
		return false;
	done = file_write_kernel(o->file, data, n, o->pos);
	if (done > 0)
		o->pos += done;
	return done == (ssize_t)n;
}

static bool put_zeros(struct core_out *o, size_t n, const void *page)
{
	if (!o->pipe) {
		if ((u64)o->pos + n > o->limit)
			return false;
		o->pos += (loff_t)n;
		return true;
	}
	for (; n; n -= MIN(n, PAGE_SIZE))
		if (!put(o, page, MIN(n, PAGE_SIZE)))
			return false;
	return true;
}

static bool put_headers(struct dump *d, size_t data)
{
	struct abi_elf_ehdr e = { .ident = { 0x7f, 'E', 'L', 'F', ABI_ELF_CLASS, 1, 1 }, .type = ET_CORE, .machine = HAL_ELF_MACHINE, .version = 1,
				  .phoff = sizeof(e), .ehsize = sizeof(e), .phentsize = sizeof(struct abi_elf_phdr), .phnum = (u16)(d->count + 1) };
	struct abi_elf_phdr p = { .type = PT_NOTE, .offset = (__typeof__(p.offset))(sizeof(e) + (d->count + 1) * sizeof(p)),
				  .filesz = (__typeof__(p.filesz))d->notes.len };

	if (!put(d->out, &e, sizeof(e)) || !put(d->out, &p, sizeof(p)))
		return false;
	for (unsigned i = 0; i < d->count; i++) {
		const struct area *a = &d->area[i];

		memset(&p, 0, sizeof(p));
		p.type = PT_LOAD;
		p.offset = (__typeof__(p.offset))data;
		p.vaddr = (__typeof__(p.vaddr))a->start;
		p.filesz = (__typeof__(p.filesz))a->keep;
		p.memsz = (__typeof__(p.memsz))(a->end - a->start);
		p.flags = (a->flags & VM_READ ? PF_R : 0u) | (a->flags & VM_WRITE ? PF_W : 0u) | (a->flags & VM_EXEC ? PF_X : 0u);
		p.align = PAGE_SIZE;
		if (!put(d->out, &p, sizeof(p)))
			return false;
		data += a->keep;
	}
	return true;
}

static bool is_zero(const unsigned long *words)
{
	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		if (words[i])
			return false;
	return true;
}

/* page: to copy through; zeros: a page of them */
static bool put_area(struct dump *d, struct mm *mm, const struct area *a, void *page, const void *zeros)
{
	for (uaddr_t at = a->start; at < a->start + a->keep; at += PAGE_SIZE) {
		bool ok;

		if (mm_access(mm, at, page, PAGE_SIZE, false) != (ssize_t)PAGE_SIZE || is_zero(page))
			ok = put_zeros(d->out, PAGE_SIZE, zeros);
		else
			ok = put(d->out, page, PAGE_SIZE);
		if (!ok)
			return false;
		cond_resched();
	}
	return true;
}

/* A hole at the end is part of the file. */
static bool finish(struct core_out *o)
{
	u8 zero = 0;
	kerr_t err;

	if (o->pipe)
		return true;
	if (file_read_kernel(o->file, &zero, 1, o->pos - 1) == 1)
		return true;
	err = vfs_truncate(&o->file->path, o->pos);
	return !err;
}

static bool put_all(struct dump *d, struct mm *mm)
{
	size_t head = sizeof(struct abi_elf_ehdr) + (d->count + 1) * sizeof(struct abi_elf_phdr) + d->notes.len;
	void *page = kmalloc(PAGE_SIZE, GFP_KERNEL), *zeros = kzalloc(PAGE_SIZE, GFP_KERNEL);
	bool ok = page && zeros && put_headers(d, ALIGN_UP(head, PAGE_SIZE)) && put(d->out, d->notes.buf, d->notes.len) &&
		  put_zeros(d->out, ALIGN_UP(head, PAGE_SIZE) - head, zeros);

	for (unsigned i = 0; ok && i < d->count; i++)
		ok = put_area(d, mm, &d->area[i], page, zeros);
	kfree(page);
	kfree(zeros);
	return ok && finish(d->out);
}

bool core_elf_write(struct core_out *out, const struct core_state *c)
{
	struct dump d = { .out = out };
	bool begun = false;

	if (!areas_collect(&d, c->dumper->mm)) {
		notes_build(&d, c);
		begun = !d.notes.failed && !d.table.failed && !d.names.failed;
		if (begun && !put_all(&d, c->dumper->mm))
			klog_warn("core dump of %s (%d) is cut short", c->dumper->comm, c->dumper->proc->pid);
	}
	kfree(d.area);
	seq_free(&d.table);
	seq_free(&d.names);
	seq_free(&d.notes);
	return begun;
}
