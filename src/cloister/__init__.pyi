from cloister import errors as errors
from cloister import testing as testing
from cloister.device import sync as sync
from cloister.device.bot import Bot as Bot
from cloister.device.bot import Context as Context
from cloister.device.sdk import Client as Client
from cloister.device.sdk import Conversation as Conversation
from cloister.device.sdk import Received as Received

__version__: str
__all__ = ["Bot", "Client", "Context", "Conversation", "Received", "errors", "sync", "testing"]
