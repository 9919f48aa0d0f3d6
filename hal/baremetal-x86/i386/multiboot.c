/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader tells: Multiboot 1 (0.6.96, 3.3) and Multiboot 2 (2.0, 3.6). Everything we keep is copied, so that the loader's memory
 * can be given out. Runs once, before the core, with the boot page tables: physical memory up to 768 MiB is at 0xC0000000.
 *
 * Of the firmware's map we take the available ranges, whole pages, without the first 64 KiB (firmware scribbles there), the kernel image and the modules.
 */
#include <hal/memory.h>
#include <maestro/lib.h>
#include <x86/x86.h>

#define MAX_RANGES 64
#define LOW_RESERVED 0x10000u
#define MB1_MAGIC 0x2BADB002
#define MB2_MAGIC 0x36D76289

static struct hal_ram_range ranges[MAX_RANGES];
static unsigned nranges;
static char cmdline[2048], loader[64];
static struct hal_boot_info boot_info = { .cmdline = cmdline, .loader = loader, .ram = ranges };
paddr_t x86_boot_rsdp;

const struct hal_boot_info *hal_boot_info(void)
{
	return &boot_info;
}

static const void *loader_memory(paddr_t at, size_t size)
{
	if (at + size > HAL_DIRECT_SIZE)
		x86_fatal("the boot loader put its information above 768 MiB");
	return hal_phys_to_virt(at);
}

static void copy_text(char *dst, size_t size, paddr_t at)
{
	const char *src = loader_memory(at, 1);

	(void)strlcpy(dst, src, size);
}

static void range_add(paddr_t start, paddr_t end)
{
	boot_info.ram_total += end - start;
	start = ALIGN_UP(MAX(start, (paddr_t)LOW_RESERVED), PAGE_SIZE);
	end = ALIGN_DOWN(end, PAGE_SIZE);
	if (start >= end || nranges == MAX_RANGES)
		return;
	ranges[nranges++] = (struct hal_ram_range){ start, end };
}

/* Takes [start, end) out of the ranges; one that is cut in two needs a free slot, else its smaller part is lost. */
static void range_reserve(paddr_t start, paddr_t end)
{
	start = ALIGN_DOWN(start, PAGE_SIZE);
	end = ALIGN_UP(end, PAGE_SIZE);
	for (unsigned i = 0; i < nranges; i++) {
		struct hal_ram_range *r = &ranges[i];
		struct hal_ram_range below = { r->start, MIN(r->end, start) }, above = { MAX(r->start, end), r->end };
		bool has_below = below.start < below.end, has_above = above.start < above.end;

		if (end <= r->start || start >= r->end)
			continue;
		if (has_below && has_above) {
			if (nranges < MAX_RANGES)
				ranges[nranges++] = above;
			*r = below;
		} else if (has_below || has_above) {
			*r = has_below ? below : above;
		} else {
			*r = ranges[--nranges];
			i--;
		}
	}
}

static void ranges_sort(void)
{
	for (unsigned i = 1; i < nranges; i++)
		for (unsigned j = i; j && ranges[j].start < ranges[j - 1].start; j--) {
			struct hal_ram_range t = ranges[j];

			ranges[j] = ranges[j - 1];
			ranges[j - 1] = t;
		}
}

struct mb1_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
	u32 drives_length, drives_addr, config_table, boot_loader_name;
};
struct mb1_module {
	u32 start, end, string, reserved;
};
struct mb1_mmap {
	u32 size; /* of what follows */
	u64 addr, len;
	u32 type;
} __packed;
enum { MB1_MEM = 1 << 0, MB1_CMDLINE = 1 << 2, MB1_MODS = 1 << 3, MB1_MMAP = 1 << 6, MB1_LOADER = 1 << 9 };

/* QEMU and GRUB 0.9x put the path of the kernel before the words; GRUB 2 does not. */
static void cmdline_drop_path(void)
{
	const char *s = cmdline;

	if (strcmp(loader, "qemu") != 0 && cmdline[0] != '/' && cmdline[0] != '(')
		return;
	while (*s && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	memmove(cmdline, s, strlen(s) + 1);
}

static void parse_mb1(u32 at)
{
	const struct mb1_info *mi = loader_memory(at, sizeof(*mi));

	if (mi->flags & MB1_CMDLINE)
		copy_text(cmdline, sizeof(cmdline), mi->cmdline);
	if (mi->flags & MB1_LOADER)
		copy_text(loader, sizeof(loader), mi->boot_loader_name);
	cmdline_drop_path();
	if (mi->flags & MB1_MMAP) {
		u32 off = 0;

		while (off + sizeof(struct mb1_mmap) <= mi->mmap_length) {
			const struct mb1_mmap *e = loader_memory((paddr_t)mi->mmap_addr + off, sizeof(*e));

			if (e->type == 1)
				range_add(e->addr, e->addr + e->len);
			off += e->size + 4;
		}
	} else if (mi->flags & MB1_MEM) {
		range_add(0, (paddr_t)mi->mem_lower * 1024);
		range_add(0x100000, 0x100000 + (paddr_t)mi->mem_upper * 1024);
	}
	if ((mi->flags & MB1_MODS) && mi->mods_count) {
		const struct mb1_module *m = loader_memory(mi->mods_addr, sizeof(*m));

		boot_info.initrd = m->start;
		boot_info.initrd_end = m->end;
	}
}

struct mb2_tag {
	u32 type, size;
	u8 data[];
};
enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_LOADER = 2, MB2_MODULE = 3, MB2_MEMINFO = 4, MB2_MMAP = 6, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15 };
struct mb2_mmap {
	u64 addr, len;
	u32 type, reserved;
};
struct mb2_module {
	u32 start, end;
};

static u8 rsdp_copy[64] __aligned(16);

static void parse_mb2_mmap(const struct mb2_tag *t)
{
	u32 entry;

	memcpy(&entry, t->data, sizeof(entry));
	for (u32 off = 8; entry && off + sizeof(struct mb2_mmap) <= t->size - 8; off += entry) {
		struct mb2_mmap e;

		memcpy(&e, t->data + off, sizeof(e));
		if (e.type == 1)
			range_add(e.addr, e.addr + e.len);
	}
}

static void parse_mb2(u32 at)
{
	const u32 *head = loader_memory(at, 8);
	u32 total = *head, off = 8;

	(void)loader_memory(at, total);
	while (off + 8 <= total) {
		const struct mb2_tag *t = hal_phys_to_virt(at + off);
		struct mb2_module m;

		if (t->type == MB2_END || t->size < 8)
			break;
		switch (t->type) {
		case MB2_CMDLINE:
			(void)strlcpy(cmdline, (const char *)t->data, sizeof(cmdline));
			break;
		case MB2_LOADER:
			(void)strlcpy(loader, (const char *)t->data, sizeof(loader));
			break;
		case MB2_MMAP:
			parse_mb2_mmap(t);
			break;
		case MB2_MODULE:
			memcpy(&m, t->data, sizeof(m));
			if (!boot_info.initrd_end) {
				boot_info.initrd = m.start;
				boot_info.initrd_end = m.end;
			}
			break;
		case MB2_RSDP_OLD:
		case MB2_RSDP_NEW:
			memcpy(rsdp_copy, t->data, MIN((size_t)t->size - 8, sizeof(rsdp_copy)));
			x86_boot_rsdp = hal_virt_to_phys(rsdp_copy);
			break;
		default:
			break;
		}
		off += ALIGN_UP(t->size, 8u);
	}
}

/* The value of mem= on the command line in bytes, or 0. */
static u64 mem_limit(void)
{
	for (const char *s = cmdline; *s; s++) {
		u64 n = 0;

		if ((s != cmdline && s[-1] != ' ') || strncmp(s, "mem=", 4) != 0)
			continue;
		for (s += 4; *s >= '0' && *s <= '9'; s++)
			n = n * 10 + (u64)(*s - '0');
		switch (*s | 0x20) {
		case 'g':
			return n << 30;
		case 'm':
			return n << 20;
		case 'k':
			return n << 10;
		default:
			return n;
		}
	}
	return 0;
}

void x86_boot_parse(u32 magic, u32 info)
{
	u64 limit;

	if (magic == MB1_MAGIC)
		parse_mb1(info);
	else if (magic == MB2_MAGIC)
		parse_mb2(info);
	else
		x86_fatal("not started by a Multiboot loader");
	if (!nranges)
		x86_fatal("the boot loader gave no memory map");
	limit = mem_limit();
	if (limit)
		range_reserve(limit, U64_MAX & ~0xfffull);
	range_reserve(1ull << x86_phys_bits, U64_MAX & ~0xfffull);
	range_reserve(hal_virt_to_phys(x86_image_start), hal_virt_to_phys(x86_image_end));
	if (boot_info.initrd_end > boot_info.initrd)
		range_reserve(boot_info.initrd, boot_info.initrd_end);
	else
		boot_info.initrd = boot_info.initrd_end = 0;
	ranges_sort();
	boot_info.ram_count = nranges;
	for (unsigned i = 0; i < nranges; i++)
		boot_info.ram_end = MAX(boot_info.ram_end, ranges[i].end);
	boot_info.ram_end = MAX(boot_info.ram_end, (paddr_t)ALIGN_UP(boot_info.initrd_end, PAGE_SIZE));
}
