"""A log as a model of SQLAlchemy and of Django.

Partitions are tables of their own, which both find when they inspect a database.
Alembic leaves them alone with include_object() below; Django's inspectdb takes the
names of the tables that you want. The model is of the log: neither makes nor
changes its table, which eventlog.create_log does.
"""

import datetime

# -- SQLAlchemy ---------------------------------------------------------------

from sqlalchemy import Column, DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Event(Base):
    __tablename__ = "events"
    # the id alone is unique, too; the time finds the partition
    occurred_at = Column(DateTime(timezone=True), primary_key=True)
    id = Column(UUID(as_uuid=True), primary_key=True)
    event_type = Column(Text, nullable=False)
    level = Column(Text)
    message = Column(Text)
    resource_id = Column(Text)
    resource_type = Column(Text)
    source_service = Column(Text)
    source_host = Column(Text)
    category = Column(Text)
    details = Column(JSONB)
    user_id = Column(Text)
    base_url = Column(Text)
    request_id = Column(Text)
    created_at = Column(DateTime(timezone=True))


def include_object(obj, name, type_, reflected, compare_to):
    """For Alembic's context.configure(): neither a log nor its partitions."""
    return not (type_ == "table" and (name == "events" or name.startswith("events_")))


def listed(session, **event_filter):
    """Events by eventlog.list, as models."""
    arguments = ", ".join(f"{name} => :{name}" for name in event_filter)
    columns = ", ".join(column.name for column in Event.__table__.columns)
    return session.query(Event).from_statement(
        text(f"SELECT {columns} FROM eventlog.list({arguments})").bindparams(**event_filter)).all()


# -- Django -------------------------------------------------------------------


def django_model():
    """The model; call it where settings are configured, as in a models.py."""
    from django.db import models

    class DjangoEvent(models.Model):
        id = models.UUIDField(primary_key=True)
        occurred_at = models.DateTimeField()
        event_type = models.TextField()
        level = models.TextField(default="info")
        message = models.TextField(null=True)
        resource_id = models.TextField(null=True)
        source_service = models.TextField(null=True)
        details = models.JSONField(null=True)
        created_at = models.DateTimeField(null=True)

        class Meta:
            app_label = "events"
            db_table = "events"
            managed = False  # no migration makes or changes it

        def save(self, *args, **kwargs):
            """A new event gets its id and time from eventlog.new_id."""
            from django.db import connection

            if self.id is None:
                self.occurred_at = self.occurred_at or datetime.datetime.now(datetime.timezone.utc)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT eventlog.new_id(%s)", [self.occurred_at])
                    self.id = cursor.fetchone()[0]
                kwargs["force_insert"] = True
            super().save(*args, **kwargs)

    return DjangoEvent
