# A log as a model of SQLAlchemy, Django, ActiveRecord, Sequelize and Prisma: the
# models of contrib/examples, used by the ORMs themselves.  Each inserts with and
# without a time, reads by the model and by eventlog.list, finds by id, deletes, and
# is asked what it makes of partitions.

use strict;
use warnings;

use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events');");

my @server = ($node->host, $node->port, $node->safe_psql('postgres', 'SELECT current_user'));
my $url = "postgresql:///postgres?host=$server[0]&port=$server[1]&user=$server[2]";
my $dir = PostgreSQL::Test::Utils::tempdir();
my $examples = getcwd() . '/contrib/examples';

local $ENV{NODE_PATH} = getcwd() . '/test/clients/node_modules';

sub program
{
	my ($name, $text) = @_;

	append_to_file("$dir/$name", $text);
	return "$dir/$name";
}

sub run_program
{
	my ($stdout, $stderr);

	IPC::Run::run([@_], '>', \$stdout, '2>', \$stderr);
	return $stdout . $stderr;
}

sub prisma
{
	append_to_file("$dir/schema.prisma", "generator client {\n provider = \"prisma-client-js\"\n output = \"./client\"\n}\n"
		  . "datasource db {\n provider = \"postgresql\"\n}\n" . slurp_file("$examples/event.prisma"));
	symlink($ENV{NODE_PATH}, "$dir/node_modules") or die $!;
	{
		# Its client has no engine to be downloaded.  The generator asks for one of
		# migrations, which it does not run: any program will do.
		local $ENV{PRISMA_SCHEMA_ENGINE_BINARY} = '/bin/false';
		local $ENV{CHECKPOINT_DISABLE} = 1;
		like(run_program('node', "$ENV{NODE_PATH}/prisma/build/index.js", 'generate', '--schema', "$dir/schema.prisma"),
			qr/Generated Prisma Client/, 'Prisma makes a client of the model');
	}
	is(run_program('node', program('prisma.js', <<'END'), $dir, $url), <<'END', 'Prisma');
const [dir, connectionString] = process.argv.slice(2);
const { PrismaClient } = require(`${dir}/client`);
const { PrismaPg } = require('@prisma/adapter-pg');
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString }) });

(async () =>
{
	const event = await prisma.event.create({ data: { event_type: 'orm.prisma', level: 'err', details: { a: [1] } } });

	console.log('prisma', event.level, JSON.stringify(event.details));
	const past = await prisma.event.create({ data: { event_type: 'orm.prisma', occurred_at: new Date('2022-08-24T22:48:45.123Z') } });
	console.log('past', past.level, past.occurred_at.toISOString());
	const listed = await prisma.$queryRaw`SELECT * FROM eventlog.list(event_type => ${'orm.prisma'}, min_level => ${'error'})`;
	console.log('listed', listed.length, listed[0].id === event.id);
	console.log('deleted', (await prisma.event.deleteMany({ where: { id: past.id } })).count);
	console.log('left', await prisma.event.count({ where: { event_type: { startsWith: 'orm.prisma' } } }));
	await prisma.$disconnect();
})().catch((error) => { console.log(error.message); process.exit(1); });
END
prisma error {"a":[1]}
past info 2022-08-24T22:48:45.123Z
listed 1 true
deleted 1
left 1
END
}

is(run_program('/usr/bin/python3', program('models.py', <<'END'), @server), <<'END', 'SQLAlchemy and Django');
import datetime, os, sys, uuid
sys.path.insert(0, 'contrib/examples')
host, port, user = sys.argv[1:]
import models
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.orm import Session

engine = create_engine(f'postgresql+psycopg2://{user}@/postgres?host={host}&port={port}')
with Session(engine) as session:
    when = datetime.datetime(2022, 8, 24, 22, 48, 45, 123456, datetime.timezone.utc)
    identity = session.execute(text('SELECT eventlog.new_id(:t)'), {'t': when}).scalar()
    session.add(models.Event(id=uuid.UUID(str(identity)), occurred_at=when, event_type='orm.alchemy', level='err', details={'a': [1]}))
    session.commit()
    event = models.listed(session, event_type='orm.alchemy')[0]
    print('alchemy', event.level, event.details, event.occurred_at == when)
    print('found', session.get(models.Event, (when, event.id)).event_type)
tables = inspect(engine).get_table_names()
print('tables', len(tables) > 1, [t for t in tables if models.include_object(None, t, 'table', True, None)])

from django.conf import settings
settings.configure(USE_TZ=True, DATABASES={'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'postgres', 'HOST': host, 'PORT': port, 'USER': user}})
import django
django.setup()
Event = models.django_model()
event = Event(event_type='orm.django', level='warn', details={'b': 2})
event.save()
event.refresh_from_db()
print('django', event.level, event.details, Event.objects.filter(event_type__startswith='orm.').count())
Event.objects.filter(id=event.id).delete()
print('left', Event.objects.filter(event_type='orm.django').count())
END
alchemy error {'a': [1]} True
found orm.alchemy
tables True []
django warning {'b': 2} 2
left 0
END

is(run_program('/usr/bin/ruby', program('model.rb', <<'END'), "$examples/event.rb", @server), <<'END', 'ActiveRecord');
example, host, port, user = ARGV
require example
ActiveRecord::Base.establish_connection(adapter: 'postgresql', database: 'postgres', host: host, port: port, username: user)

event = Event.create!(event_type: 'orm.record', level: 'err', details: { a: [1] })
event.reload
puts "record #{event.level} #{event.details['a']} #{event.created_at.class}"
past = Event.create!(event_type: 'orm.record', occurred_at: Time.utc(2022, 8, 24, 22, 48, 45, 123456))
puts "past #{past.reload.occurred_at.utc.iso8601(6)}"
puts "listed #{Event.listed(event_type: 'orm.record', min_level: 'error').map(&:id) == [event.id]}"
puts "found #{Event.with_id(past.id) == past} #{Event.with_id('00000000-0000-0000-0000-000000000000').inspect}"
past.destroy
puts "left #{Event.where("event_type LIKE 'orm.record%'").count}"
dump = -> { io = StringIO.new; ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.connection, io); io.string.scan(/create_table "(\w+)"/).flatten }
puts "partitions in schema.rb: #{dump.call.size > 1}"
Event.ignore_partitions
puts "ignored: #{dump.call.inspect}"
END
record error [1] Time
past 2022-08-24T22:48:45.123456Z
listed true
found true nil
left 1
partitions in schema.rb: true
ignored: []
END

is(run_program('node', program('model.js', <<'END'), "$examples/event.sequelize.js", @server), <<'END', 'Sequelize');
const [example, host, port, user] = process.argv.slice(2);
const { Sequelize } = require('sequelize');
const sequelize = new Sequelize('postgres', user, null, { dialect: 'postgres', host, port, logging: false });
const Event = require(example)(sequelize);

(async () =>
{
	const event = await Event.create({ event_type: 'orm.sequelize', level: 'err', details: { a: [1] } });

	await event.reload();
	console.log('sequelize', event.level, JSON.stringify(event.details), event.created_at instanceof Date);
	const past = await Event.create({ event_type: 'orm.sequelize', occurred_at: new Date('2022-08-24T22:48:45.123Z') });
	await past.reload();
	console.log('past', past.level, past.occurred_at.toISOString(), (await Event.withId(past.id)).event_type);
	const listed = await Event.listed({ event_type: 'orm.sequelize', min_level: 'error' });
	console.log('listed', listed.length, listed[0] instanceof Event, listed[0].id === event.id);
	await past.destroy();
	console.log('left', await Event.count({ where: { event_type: 'orm.sequelize' } }), await Event.withId(past.id));
	const tables = await sequelize.getQueryInterface().showAllTables();
	console.log('partitions are tables', tables.length > 1);
	await sequelize.close();
})().catch((error) => { console.log(error.message); process.exit(1); });
END
sequelize error {"a":[1]} true
past info 2022-08-24T22:48:45.123Z orm.sequelize
listed 1 true true
left 1 null
partitions are tables true
END

SKIP:
{
	my ($major, $minor) = `node --version` =~ /^v(\d+)\.(\d+)/;
	skip 'Prisma needs Node.js 20.19 or newer', 2 if $major < 20 || ($major == 20 && $minor < 19);
	prisma();
}

$node->stop;
done_testing();
