/* SPDX-License-Identifier: MIT */
/*
 * IDE disks behind a PCI bus-master controller such as the PIIX (ATA/ATAPI-7, T13/1532D; SFF-8038i, Bus Master Programming Interface). DMA with
 * a table of physical regions; 48-bit addresses where the disk has them. CD-ROM drives are left alone.
 *
 * A channel carries two drives and does one command at a time. A drive has at most one request (queue_depth 1): it runs, or it waits in
 * drive.waiting until the channel is free. A command that does not end within TIMEOUT resets the channel; it is tried once more, then fails.
 * Frames above 4 GiB cannot be reached by the controller: such requests go through a buffer.
 *
 * Locking: channel.lock (RANK_DRIVER, irqsave) for the registers and all that is marked; not held over request_end().
 */
#include <hal/memory.h>
#include <hal/time.h>
#include <maestro/block.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/task.h>
#include <maestro/timer.h>
#include <x86/pci.h>
#include <x86/x86.h>

#define MAJOR 8u
#define MINORS 16u
#define TIMEOUT (10 * NSEC_PER_SEC)
#define MAX_SECTORS 256u
#define MAX_SEGS 256u
#define PRD_LAST 0x8000u

enum { REG_DATA, REG_ERROR, REG_COUNT, REG_LBA0, REG_LBA1, REG_LBA2, REG_DRIVE, REG_STATUS, REG_COMMAND = REG_STATUS };
enum { ST_ERR = 1, ST_DRQ = 8, ST_DF = 0x20, ST_READY = 0x40, ST_BUSY = 0x80 };
enum { CMD_IDENTIFY = 0xEC, CMD_READ = 0xC8, CMD_READ_EXT = 0x25, CMD_WRITE = 0xCA, CMD_WRITE_EXT = 0x35, CMD_FLUSH = 0xE7, CMD_FLUSH_EXT = 0xEA };
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };
enum { BM_START = 1, BM_TO_MEMORY = 8 };
enum { BM_ST_ACTIVE = 1, BM_ST_ERROR = 2, BM_ST_IRQ = 4 };
#define CONTROL_RESET 4u

struct prd {
	u32 addr;
	u16 bytes; /* 0: 65536 */
	u16 flags;
};
_Static_assert(sizeof(struct prd) == 8, "SFF-8038i, 1.2");

struct channel;
struct drive {
	struct channel *channel;
	unsigned number;
	bool lba48;
	struct disk disk;
	struct request *waiting; /* [channel.lock] */
};
struct channel {
	/* [c] */
	u16 ports, control, bm;
	struct drive *drives[2];
	struct prd *table;
	u8 *bounce; /* MAX_SECTORS long, or NULL where all memory is below 4 GiB */
	/* [lock] */
	struct spinlock lock;
	struct drive *active; /* NULL: idle */
	struct request *rq;
	bool bounced;
	unsigned retries;
	u8 selected;
	struct timer timeout;
};
static unsigned ndisks; /* probing is single-threaded */

static u8 status_read(struct channel *c)
{
	return inb((u16)(c->ports + REG_STATUS));
}
static void reg_out(struct channel *c, unsigned reg, u8 v)
{
	outb((u16)(c->ports + reg), v);
}

/* Until not busy, or `us` passed: the last status. */
static u8 wait_idle(struct channel *c, u32 us)
{
	ktime_t end = hal_time_ns() + (ktime_t)us * 1000;
	u8 st;

	while (((st = inb(c->control)) & ST_BUSY) && hal_time_ns() < end)
		hal_cpu_relax();
	return st;
}

static void select(struct channel *c, u8 value)
{
	bool other = (c->selected ^ value) & 0x10;

	reg_out(c, REG_DRIVE, value);
	c->selected = value;
	if (other) /* 400 ns until the status is the new drive's */
		for (int i = 0; i < 4; i++)
			(void)inb(c->control);
}

/* --- one command --- */
static bool needs_bounce(const struct request *rq)
{
	struct bio *bio;

	list_for_each(bio, &rq->bios, node)
		for (unsigned i = 0; i < bio->nvecs; i++)
			if (page_to_phys(bio->vecs[i].page) >> 32)
				return true;
	return false;
}

/* Copies between the request's pages and the bounce buffer. Interrupts off. */
static void bounce_copy(struct channel *c, bool to_buffer)
{
	u8 *at = c->bounce;
	struct bio *bio;

	list_for_each(bio, &c->rq->bios, node)
		for (unsigned i = 0; i < bio->nvecs; i++) {
			const struct bio_vec *b = &bio->vecs[i];
			u8 *page = x86_irq_map(page_to_phys(b->page));

			memcpy(to_buffer ? at : page + b->off, to_buffer ? page + b->off : at, b->len);
			x86_irq_unmap();
			at += b->len;
		}
}

/* Regions must not cross a 64 KiB boundary; neighbours are joined. Returns how many entries. */
static unsigned table_add(struct channel *c, unsigned n, u32 addr, u32 len)
{
	struct prd *last = n ? &c->table[n - 1] : NULL;

	while (len) {
		u32 part = MIN(len, 0x10000 - (addr & 0xffff));

		if (last && last->bytes && last->addr + last->bytes == addr && (addr & 0xffff)) {
			last->bytes = (u16)(last->bytes + part); /* 65536 becomes 0, which means that */
		} else {
			last = &c->table[n++];
			*last = (struct prd){ addr, (u16)part, 0 };
		}
		addr += part;
		len -= part;
	}
	return n;
}

static void table_fill(struct channel *c)
{
	unsigned n = 0;
	struct bio *bio;

	if (c->bounced) {
		n = table_add(c, 0, (u32)hal_virt_to_phys(c->bounce), c->rq->sectors << SECTOR_SHIFT);
	} else {
		list_for_each(bio, &c->rq->bios, node)
			for (unsigned i = 0; i < bio->nvecs; i++)
				n = table_add(c, n, (u32)page_to_phys(bio->vecs[i].page) + bio->vecs[i].off, bio->vecs[i].len);
	}
	c->table[n - 1].flags = PRD_LAST;
}

static void address_out(struct channel *c, const struct drive *d, sector_t sector, u32 sectors)
{
	u32 lba = (u32)sector;

	if (d->lba48) {
		select(c, (u8)(0xe0 | d->number << 4));
		reg_out(c, REG_COUNT, (u8)(sectors >> 8));
		reg_out(c, REG_LBA0, (u8)(lba >> 24));
		reg_out(c, REG_LBA1, (u8)(sector >> 32));
		reg_out(c, REG_LBA2, (u8)(sector >> 40));
	} else {
		select(c, (u8)(0xe0 | d->number << 4 | ((lba >> 24) & 15)));
	}
	reg_out(c, REG_COUNT, (u8)sectors);
	reg_out(c, REG_LBA0, (u8)lba);
	reg_out(c, REG_LBA1, (u8)(lba >> 8));
	reg_out(c, REG_LBA2, (u8)(lba >> 16));
}

/* Starts c->rq on c->active. The interrupt, or the timeout, goes on. */
static void command_start(struct channel *c)
{
	struct drive *d = c->active;
	struct request *rq = c->rq;
	bool write = rq->op == BIO_WRITE;

	assert_held(&c->lock);
	timer_start(&c->timeout, hal_time_ns() + TIMEOUT);
	outb((u16)(c->bm + BM_STATUS), (u8)(inb((u16)(c->bm + BM_STATUS)) | BM_ST_IRQ | BM_ST_ERROR));
	if (rq->op == BIO_FLUSH) {
		select(c, (u8)(0xe0 | d->number << 4));
		reg_out(c, REG_COMMAND, d->lba48 ? CMD_FLUSH_EXT : CMD_FLUSH);
		return;
	}
	c->bounced = c->bounce && needs_bounce(rq);
	if (c->bounced && write)
		bounce_copy(c, true);
	table_fill(c);
	outl((u16)(c->bm + BM_TABLE), (u32)hal_virt_to_phys(c->table));
	outb((u16)(c->bm + BM_COMMAND), write ? 0 : BM_TO_MEMORY);
	address_out(c, d, rq->sector, rq->sectors);
	if (d->lba48)
		reg_out(c, REG_COMMAND, write ? CMD_WRITE_EXT : CMD_READ_EXT);
	else
		reg_out(c, REG_COMMAND, write ? CMD_WRITE : CMD_READ);
	outb((u16)(c->bm + BM_COMMAND), (u8)((write ? 0 : BM_TO_MEMORY) | BM_START));
}

/* The channel is free: the other drive's turn first, so that none starves. */
static void channel_next(struct channel *c, const struct drive *last)
{
	for (unsigned i = 0; i < 2 && !c->active; i++) {
		struct drive *d = c->drives[(last->number + 1 + i) & 1];

		if (!d || !d->waiting)
			continue;
		c->active = d;
		c->rq = d->waiting;
		c->retries = 0;
		d->waiting = NULL;
		command_start(c);
	}
}

static kerr_t ide_submit(struct disk *disk, struct request *rq)
{
	struct drive *d = disk->driver;
	struct channel *c = d->channel;
	unsigned long flags = spin_lock_irqsave(&c->lock);

	DEBUG_ASSERT(!d->waiting);
	d->waiting = rq;
	if (!c->active)
		channel_next(c, d);
	spin_unlock_irqrestore(&c->lock, flags);
	return 0;
}

/* The command is over: takes the request off the channel and starts the next. */
static struct request *command_finish(struct channel *c, struct drive **d)
{
	struct request *rq = c->rq;

	assert_held(&c->lock);
	(void)timer_cancel(&c->timeout);
	*d = c->active;
	c->active = NULL;
	c->rq = NULL;
	channel_next(c, *d);
	return rq;
}

static void ide_interrupt(void *arg)
{
	struct channel *c = arg;
	struct request *rq = NULL;
	struct drive *d = NULL;
	unsigned long flags = spin_lock_irqsave(&c->lock);
	u8 bm = inb((u16)(c->bm + BM_STATUS)), st;
	int status = 0;

	if (!(bm & BM_ST_IRQ))
		goto out;
	st = status_read(c); /* lowers the line */
	outb((u16)(c->bm + BM_STATUS), (u8)(bm | BM_ST_IRQ | BM_ST_ERROR));
	if (!c->active || (st & ST_BUSY))
		goto out;
	outb((u16)(c->bm + BM_COMMAND), 0);
	if ((st & (ST_ERR | ST_DF | ST_DRQ)) || (bm & BM_ST_ERROR)) {
		status = -EIO;
		klog_err("%s: status %02x error %02x dma %02x", c->active->disk.name, st, inb((u16)(c->ports + REG_ERROR)), bm);
	} else if (c->bounced && c->rq->op == BIO_READ) {
		bounce_copy(c, false);
	}
	rq = command_finish(c, &d);
out:
	spin_unlock_irqrestore(&c->lock, flags);
	if (rq)
		request_end(rq, &d->disk, status);
}

static void channel_reset(struct channel *c)
{
	outb((u16)(c->bm + BM_COMMAND), 0);
	outb(c->control, CONTROL_RESET);
	x86_delay_us(10);
	outb(c->control, 0);
	x86_delay_us(2000);
	(void)wait_idle(c, 100000);
	c->selected = 0;
	outb((u16)(c->bm + BM_STATUS), (u8)(inb((u16)(c->bm + BM_STATUS)) | BM_ST_IRQ | BM_ST_ERROR));
}

static void ide_timeout(struct timer *t)
{
	struct channel *c = container_of(t, struct channel, timeout);
	unsigned long flags = spin_lock_irqsave(&c->lock);
	struct request *rq = NULL;
	struct drive *d = NULL;

	if (c->active) {
		klog_err("%s: no answer, channel reset", c->active->disk.name);
		channel_reset(c);
		if (c->retries++ == 0)
			command_start(c);
		else
			rq = command_finish(c, &d);
	}
	spin_unlock_irqrestore(&c->lock, flags);
	if (rq)
		request_end(rq, &d->disk, -EIO);
}

/* --- finding drives --- */
static bool identify(struct channel *c, unsigned number, u16 id[256])
{
	u8 st;

	select(c, (u8)(0xa0 | number << 4));
	x86_delay_us(1);
	st = inb(c->control);
	if (st == 0xff || st == 0x7f)
		return false;
	reg_out(c, REG_COUNT, 0);
	reg_out(c, REG_LBA0, 0);
	reg_out(c, REG_LBA1, 0);
	reg_out(c, REG_LBA2, 0);
	reg_out(c, REG_COMMAND, CMD_IDENTIFY);
	x86_delay_us(1);
	if (!inb(c->control))
		return false;
	st = wait_idle(c, 2000000);
	/* A packet device aborts and shows its signature. */
	if ((st & (ST_BUSY | ST_ERR | ST_DF)) || !(st & ST_DRQ))
		return false;
	insw((u16)(c->ports + REG_DATA), id, 256);
	(void)status_read(c);
	return true;
}

/* Text in IDENTIFY data has its bytes swapped in each word and blanks around. */
static void id_text(char *dst, size_t size, const u16 *words, unsigned n)
{
	size_t len = 0;

	for (unsigned i = 0; i < n * 2 && len + 1 < size; i++) {
		char ch = (char)(i & 1 ? words[i / 2] & 0xff : words[i / 2] >> 8);

		if (len || ch != ' ')
			dst[len++] = ch;
	}
	while (len && dst[len - 1] == ' ')
		len--;
	dst[len] = '\0';
}

static const struct disk_ops ide_ops = { .submit = ide_submit };

static void drive_fill(struct drive *d, const u16 id[256])
{
	struct disk *disk = &d->disk;

	d->lba48 = id[83] & (1u << 10);
	disk->sectors = id[60] | (u32)id[61] << 16;
	if (d->lba48) {
		u64 n = id[100] | (u64)id[101] << 16 | (u64)id[102] << 32 | (u64)id[103] << 48;

		disk->sectors = n ? n : disk->sectors;
	}
	ksnprintf(disk->name, sizeof(disk->name), "sd%c", 'a' + (int)ndisks);
	disk->major = MAJOR;
	disk->first_minor = ndisks * MINORS;
	disk->minors = MINORS;
	disk->logical_block = SECTOR_SIZE;
	disk->max_sectors = MAX_SECTORS;
	disk->max_segs = MAX_SEGS;
	disk->has_flush = true;
	disk->rotational = id[217] != 1;
	id_text(disk->model, sizeof(disk->model), &id[27], 20);
	id_text(disk->serial, sizeof(disk->serial), &id[10], 10);
	disk->ops = &ide_ops;
	disk->driver = d;
	disk->queue_depth = 1;
}

static void drive_probe(struct channel *c, unsigned number, u16 *id)
{
	struct drive *d;

	if (!identify(c, number, id) || ndisks >= 26)
		return;
	if (!(id[49] & 0x100) || !(id[49] & 0x200)) {
		klog_warn("ide: drive %u at port %x has no DMA or LBA and is left alone", number, c->ports);
		return;
	}
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d) {
		klog_err("ide: no memory");
		return;
	}
	d->channel = c;
	d->number = number;
	drive_fill(d, id);
	if (!d->disk.sectors) {
		kfree(d);
		return;
	}
	c->drives[number] = d;
	ndisks++;
}

static void channel_register_drives(struct channel *c)
{
	for (unsigned i = 0; i < 2; i++) {
		kerr_t err = c->drives[i] ? disk_register(&c->drives[i]->disk) : 0;

		if (err)
			klog_err("%s: error %d", c->drives[i]->disk.name, -kerr_code(err));
	}
}

static kerr_t channel_memory(struct channel *c)
{
	c->table = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (hal_boot_info()->ram_end >> 32)
		c->bounce = kmalloc(MAX_SECTORS << SECTOR_SHIFT, GFP_KERNEL);
	return c->table && (c->bounce || !(hal_boot_info()->ram_end >> 32)) ? 0 : KERR(ENOMEM);
}

static kerr_t channel_probe(u16 ports, u16 control, u16 bm, unsigned irq)
{
	struct channel *c;
	kerr_t err;
	u16 *id;

	if (inb((u16)(ports + REG_STATUS)) == 0xff) /* nothing drives the bus */
		return 0;
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	id = kmalloc(512, GFP_KERNEL);
	if (!c || !id) {
		kfree(c);
		kfree(id);
		return KERR(ENOMEM);
	}
	c->ports = ports;
	c->control = control;
	c->bm = bm;
	spin_init(&c->lock, RANK_DRIVER, "ide");
	timer_init(&c->timeout, ide_timeout);
	outb(control, 2); /* no interrupts while looking around */
	drive_probe(c, 0, id);
	drive_probe(c, 1, id);
	kfree(id);
	if (!c->drives[0] && !c->drives[1]) {
		kfree(c);
		return 0;
	}
	err = channel_memory(c);
	if (!err)
		err = x86_irq_register(irq, ide_interrupt, c);
	if (err)
		return err; /* a few hundred bytes, once */
	outb((u16)(bm + BM_STATUS), (u8)(inb((u16)(bm + BM_STATUS)) | BM_ST_IRQ | BM_ST_ERROR));
	outb(control, 0);
	channel_register_drives(c);
	return 0;
}

bool ide_probe(const struct pci_device *d)
{
	static const struct {
		u16 ports, control;
		u8 irq;
	} legacy[2] = { { 0x1f0, 0x3f6, 14 }, { 0x170, 0x376, 15 } };
	struct pci_bar bm, ports, control;

	if (d->class != 1 || d->subclass != 1)
		return false;
	pci_enable(d);
	if (!pci_bar(d, 4, &bm) || !bm.is_port) {
		klog_warn("ide: the controller at %02x:%02x.%x cannot do DMA and is left alone", d->bus, d->slot, d->function);
		return true;
	}
	for (unsigned i = 0; i < 2; i++) {
		bool native = d->prog_if & (1u << i * 2);
		u16 base = (u16)(bm.start + i * 8);
		kerr_t err;

		if (!native)
			err = channel_probe(legacy[i].ports, legacy[i].control, base, legacy[i].irq);
		else if (pci_bar(d, i * 2, &ports) && pci_bar(d, i * 2 + 1, &control))
			err = channel_probe((u16)ports.start, (u16)(control.start + 2), base, d->irq);
		else
			err = KERR(ENODEV);
		if (err)
			klog_err("ide channel %u: error %d", i, -kerr_code(err));
	}
	return true;
}
