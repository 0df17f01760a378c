# The examples in contrib/examples, run by the drivers and ORMs that they are for.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events');");

sub run_example
{
	my ($stdout, $stderr);

	IPC::Run::run([@_], '>', \$stdout, '2>', \$stderr);
	return $stdout . $stderr;
}

my $said = "read 251\nhanded out \"to be handed out\"\n";
is(run_example('/usr/bin/python3', 'contrib/examples/events.py', $node->connstr('postgres')), $said, 'Python, by psycopg2');
{
	local $ENV{NODE_PATH} = 'test/clients/node_modules';
	is(run_example('node', 'contrib/examples/events.js', 'postgresql:///postgres?host=' . $node->host . '&port=' . $node->port
			. '&user=' . $node->safe_psql('postgres', 'SELECT current_user')), $said, 'Node.js, by pg');
}
is($node->safe_psql('postgres', "SELECT message, details FROM eventlog.list('example', level => 'error') WHERE details IS NOT NULL"),
	join("\n", (q(it's "quoted"|{"attempt": 1})) x 2), 'what they wrote');

my $program = PostgreSQL::Test::Utils::tempdir() . '/models.py';
append_to_file($program, <<'END');
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
is(run_example('/usr/bin/python3', $program, $node->host, $node->port, $node->safe_psql('postgres', 'SELECT current_user')), <<'END', 'SQLAlchemy and Django');
alchemy error {'a': [1]} True
found orm.alchemy
tables True []
django warning {'b': 2} 2
left 0
END

$node->stop;
done_testing();
